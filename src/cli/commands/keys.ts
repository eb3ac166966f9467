// `maestro keys`: makes, lists and revokes API keys. Not here: what a key may do, see grants.ts.
import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { ApiKeySchema } from "../../../gen/maestro/v1/identity_pb.ts";
import type { ApiKey } from "../../../gen/maestro/v1/identity_pb.ts";
import { CreateApiKeyResponseSchema } from "../../../gen/maestro/v1/identity_service_pb.ts";
import { systemClock } from "../../support/clock.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { parseDuration } from "../plan-file/amounts.ts";
import { harmless } from "../table.ts";
import { keyOf } from "../target.ts";
import { epochMs, timeText } from "../words.ts";

export interface CreateFlags {
  readonly grant: readonly string[];
  /** Such as `90d`. */
  readonly lifetime?: string;
}

export async function keys(flags: ListFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  const now = systemClock.nowMs();
  await withClient(async (client) =>
    showList(
      {
        schema: ApiKeySchema,
        page: async (pageSize, pageToken) => {
          const page = await client.identity.listApiKeys({ pageSize, pageToken }, { signal: io.signal });
          return { items: page.keys, nextPageToken: page.nextPageToken };
        },
        head: ["KEY", "PRINCIPAL", "STATE", "MADE", "ENDS", "GRANTS"],
        row: (key) => [
          key.keyId,
          key.principal,
          stateOf(key, now),
          timeText(key.createdAt),
          timeText(key.revokedAt ?? key.expiresAt),
          key.grants.join(", "),
        ],
        none: "no keys",
      },
      flags,
      context,
    ),
  );
}

function stateOf({ revokedAt, expiresAt }: ApiKey, nowMs: number): string {
  if (revokedAt !== undefined) return "revoked";
  return (epochMs(expiresAt) ?? Infinity) <= nowMs ? "expired" : "valid";
}

/** The secret is the result: it is printed alone, so that a shell can take it, whatever is kept quiet. */
export async function createKey(principal: string, flags: CreateFlags, context: Context): Promise<void> {
  const { io, json, quiet, withClient } = context;
  const { grant } = flags;
  const lifetimeMs = flags.lifetime === undefined ? undefined : parseDuration(flags.lifetime);
  if (flags.lifetime !== undefined && (lifetimeMs === undefined || lifetimeMs === 0))
    throw new CommandEnd(MISUSED, harmless(`--lifetime ${flags.lifetime}: must be a duration such as 12h or 90d`));
  await withClient(async (client) => {
    const lifetime =
      lifetimeMs === undefined
        ? undefined
        : create(DurationSchema, { seconds: BigInt(Math.floor(lifetimeMs / 1000)), nanos: (lifetimeMs % 1000) * 1e6 });
    const request = { principal, grants: [...grant], idempotencyKey: client.newKey() };
    const made = await client.identity.createApiKey(
      { ...request, ...(lifetime !== undefined && { lifetime }) },
      { signal: io.signal },
    );
    if (json) return io.out(jsonLine(CreateApiKeyResponseSchema, made));
    const ends = made.key?.expiresAt === undefined ? "" : ` until ${timeText(made.key.expiresAt)}`;
    if (!quiet) {
      io.err(`${harmless(`key ${made.key?.keyId ?? ""} of ${principal}${ends}; its secret is shown only now:`)}\n`);
    }
    io.out(`${harmless(made.secret)}\n`);
  });
}

export async function revokeKey(named: string, { io, json, quiet, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const { keyId } = await keyOf(client, named, io.signal);
    const { key } = await client.identity.revokeApiKey(
      { keyId, idempotencyKey: client.newKey() },
      { signal: io.signal },
    );
    if (key === undefined) throw new Error("the server does not say what became of the key");
    if (json) io.out(jsonLine(ApiKeySchema, key));
    else if (!quiet) io.out(`${harmless(`revoked ${key.keyId} of ${key.principal}`)}\n`);
  });
}
