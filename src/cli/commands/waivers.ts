// `maestro waivers`: lists, grants and revokes waivers of the release gate's rules. Not here: what a waiver does, see gate.ts.
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { WaiverSchema } from "../../../gen/maestro/conductor/v1/waiver_pb.ts";
import type { Waiver } from "../../../gen/maestro/conductor/v1/waiver_pb.ts";
import { systemClock } from "../../support/clock.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { parseMoment } from "../moment.ts";
import { parseDuration } from "../plan-file/amounts.ts";
import { harmless } from "../table.ts";
import { runIdOf } from "../target.ts";
import { epochMs, timeText } from "../words.ts";

export interface GrantFlags {
  readonly reason: string;
  /** Such as `7d`, or a moment. */
  readonly expires: string;
  readonly artifact: string;
}

export async function waivers(named: string | undefined, flags: ListFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  const nowMs = systemClock.nowMs();
  await withClient(async (client) => {
    const runId = named === undefined ? "" : await runIdOf(client, named, io.signal);
    await showList(
      {
        schema: WaiverSchema,
        page: async (pageSize, pageToken) => {
          const page = await client.conductor.listWaivers({ runId, pageSize, pageToken }, { signal: io.signal });
          return { items: page.waivers, nextPageToken: page.nextPageToken };
        },
        head: ["WAIVER", "RUN", "RULE", "ARTIFACT", "STATE", "BY", "GRANTED", "EXPIRES", "REASON"],
        row: (waiver) => [
          waiver.id,
          waiver.runId,
          waiver.rule,
          waiver.artifactId,
          stateOf(waiver, nowMs),
          waiver.grantedBy,
          timeText(waiver.grantedAt),
          timeText(waiver.expiresAt),
          waiver.reason,
        ],
        none: "no waivers",
      },
      flags,
      context,
    );
  });
}

/** By this machine's clock, for people; the server judges by its own. */
function stateOf({ revokedAt, expiresAt }: Waiver, nowMs: number): string {
  if (revokedAt !== undefined) return "revoked";
  return (epochMs(expiresAt) ?? Infinity) <= nowMs ? "expired" : "stands";
}

export async function grantWaiver(named: string, rule: string, flags: GrantFlags, context: Context): Promise<void> {
  const { io, json, quiet, notice, withClient } = context;
  const { reason, expires, artifact: artifactId } = flags;
  const expiresAt = expiryOf(expires);
  await withClient(async (client) => {
    const runId = await runIdOf(client, named, io.signal);
    const request = { runId, rule, artifactId, reason, expiresAt, idempotencyKey: client.newKey() };
    const { waiver } = await client.conductor.grantWaiver(request, { signal: io.signal });
    if (waiver === undefined) throw new Error("the server does not say what became of the waiver");
    if (json) return io.out(jsonLine(WaiverSchema, waiver));
    if (!quiet) notice(harmless(`waived ${waiver.rule} of ${waiver.runId} until ${timeText(waiver.expiresAt)}`));
    io.out(`${waiver.id}\n`);
  });
}

export async function revokeWaiver(id: string, { io, json, quiet, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const request = { id, idempotencyKey: client.newKey() };
    const { waiver } = await client.conductor.revokeWaiver(request, { signal: io.signal });
    if (waiver === undefined) throw new Error("the server does not say what became of the waiver");
    if (json) io.out(jsonLine(WaiverSchema, waiver));
    else if (!quiet) io.out(`${harmless(`revoked ${waiver.id}: ${waiver.rule} of ${waiver.runId}`)}\n`);
  });
}

function expiryOf(typed: string): Timestamp {
  const ms = parseDuration(typed);
  if (ms !== undefined) return timestampFromMs(systemClock.nowMs() + ms);
  const moment = parseMoment(typed);
  if (moment !== undefined) return moment;
  const text = `--expires ${harmless(typed)}: must be a duration such as 7d, a day, or a time such as 2026-01-31T12:00:00Z`;
  throw new CommandEnd(MISUSED, text);
}
