// Waivers. Not here: the keys that they are signed with (signing-keys.ts), nor whether one counts.
import type { OrgId, RunArtifactId, RunId, WaiverId } from "../../domain/id.ts";
import type { Waiver } from "../../domain/waiver.ts";
import type { WaiverRepository } from "../ports/waivers.ts";
import { below, OF_A_RUN } from "./newest-first.ts";
import type { Session } from "./transaction.ts";

const COLUMNS =
  "waiver_id, run_id, rule, artifact_id, reason, granted_by, granted_ms, expires_ms, revoked_ms, revoked_by, envelope";
const SELECT = `SELECT ${COLUMNS} FROM maestro.waivers WHERE org_id = $1`;
const list = (where: string): string =>
  `${SELECT} AND ${where} AND (granted_ms, waiver_id) < ($2, $3) ORDER BY granted_ms DESC, waiver_id DESC LIMIT $4`;

/** Exported so that their plans can be looked at. */
export const WAIVERS = {
  add: `INSERT INTO maestro.waivers (org_id, ${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
  /** Lock: the waiver's row. */
  lock: "SELECT FROM maestro.waivers WHERE org_id = $1 AND waiver_id = $2 FOR NO KEY UPDATE",
  find: `${SELECT} AND waiver_id = $2`,
  revoke: "UPDATE maestro.waivers SET revoked_by = $3, revoked_ms = $4 WHERE org_id = $1 AND waiver_id = $2",
  /** Index: waivers_standing; its predicate is named. Those that stand are few. */
  standing: `${SELECT} AND run_id = $2 AND revoked_ms IS NULL AND expires_ms > $3 ORDER BY granted_ms DESC, waiver_id DESC LIMIT $4`,
  /** Index: waivers_by_time, backwards; its predicate is named. */
  list: list("granted_ms >= 0"),
  /** Index: waivers_by_run. */
  listOfRun: list(`run_id = $5 AND ${OF_A_RUN}`),
} as const;

interface RawWaiver {
  readonly waiver_id: string;
  readonly run_id: string;
  readonly rule: string;
  readonly artifact_id: string | null;
  readonly reason: string;
  readonly granted_by: string;
  readonly granted_ms: number;
  readonly expires_ms: number;
  readonly revoked_ms: number | null;
  readonly revoked_by: string | null;
  readonly envelope: string;
}

const waiverOf = (orgId: OrgId, raw: RawWaiver): Waiver => ({
  orgId,
  waiverId: raw.waiver_id as WaiverId,
  runId: raw.run_id as RunId,
  rule: raw.rule,
  artifactId: raw.artifact_id as RunArtifactId | null,
  reason: raw.reason,
  grantedBy: raw.granted_by,
  grantedMs: raw.granted_ms,
  expiresMs: raw.expires_ms,
  revokedMs: raw.revoked_ms,
  revokedBy: raw.revoked_by,
  envelope: raw.envelope,
});

export function createWaiverRepository({ run, send }: Session): WaiverRepository {
  return {
    add: async (w) => {
      const { orgId, waiverId, runId, rule, artifactId, reason, grantedBy, grantedMs, expiresMs } = w;
      const given = [orgId, waiverId, runId, rule, artifactId, reason, grantedBy, grantedMs, expiresMs];
      send(WAIVERS.add, [...given, w.revokedMs, w.revokedBy, w.envelope]);
    },
    lock: async (orgId, waiverId) => {
      // Sent together, and read after the lock.
      const key = [orgId, waiverId];
      const [, [raw]] = await Promise.all([run(WAIVERS.lock, key), run<RawWaiver>(WAIVERS.find, key)]);
      return raw === undefined ? undefined : waiverOf(orgId, raw);
    },
    revoke: async (orgId, waiverId, by, atMs) => {
      send(WAIVERS.revoke, [orgId, waiverId, by, atMs]);
    },
    standing: async (orgId, runId, atMs, limit) => {
      const rows = await run<RawWaiver>(WAIVERS.standing, [orgId, runId, atMs, limit]);
      return rows.map((raw) => waiverOf(orgId, raw));
    },
    list: async (orgId, { runId }, page) => {
      const parameters = [orgId, ...below(page), page.limit];
      const rows = await (runId === null
        ? run<RawWaiver>(WAIVERS.list, parameters)
        : run<RawWaiver>(WAIVERS.listOfRun, [...parameters, runId]));
      return rows.map((raw) => waiverOf(orgId, raw));
    },
  };
}
