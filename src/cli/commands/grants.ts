// `maestro grants`: what the caller or a key may do, operation by operation. Not here: keys themselves, see keys.ts.
import { grants as cover } from "../../domain/principal.ts";
import { systemClock } from "../../support/clock.ts";
import type { ServerClient } from "../client.ts";
import type { Context } from "../context.ts";
import { OPERATIONS } from "../services.ts";
import { harmless, table } from "../table.ts";
import { keyOf } from "../target.ts";
import { epochMs } from "../words.ts";

export interface GrantsFlags {
  /** Only what is granted, or only what is not. */
  readonly granted?: boolean;
  readonly missing?: boolean;
}

interface Holder {
  readonly who: string;
  readonly grants: readonly string[];
}

export async function grants(key: string | undefined, flags: GrantsFlags, context: Context): Promise<void> {
  const { io, json, withClient } = context;
  const holder = await withClient((client) => holderOf(client, key, io.signal));
  const rows = OPERATIONS.map((row) => ({ ...row, granted: cover(holder.grants, row.capability) })).filter(
    ({ granted }) => (flags.granted !== true || granted) && (flags.missing !== true || !granted),
  );
  if (json) {
    for (const row of rows) io.out(`${JSON.stringify(row)}\n`);
    return;
  }
  io.out(`${harmless(`${holder.who}: ${holder.grants.join(", ")}`)}\n`);
  const cells = rows.map(({ operation, capability, writes, granted, method }) => [
    granted ? "yes" : "no",
    operation,
    capability,
    writes ? "changes" : "looks",
    method,
  ]);
  io.out(`${table(["MAY", "OPERATION", "CAPABILITY", "KIND", "METHOD"], cells, io.columns)}\n`);
}

async function holderOf(client: ServerClient, key: string | undefined, signal: AbortSignal): Promise<Holder> {
  if (key !== undefined) {
    const { keyId, principal, grants: granted, revokedAt, expiresAt } = await keyOf(client, key, signal);
    if (revokedAt !== undefined) return { who: `${keyId} of ${principal}, revoked`, grants: [] };
    if ((epochMs(expiresAt) ?? Infinity) <= systemClock.nowMs())
      return { who: `${keyId} of ${principal}, expired`, grants: [] };
    return { who: `${keyId} of ${principal}`, grants: granted };
  }
  const { org, principal, grants: granted } = await client.identity.whoAmI({}, { signal });
  return { who: `${principal} of org ${org?.name ?? ""}`, grants: granted };
}
