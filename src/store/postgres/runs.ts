// Runs, read together with their plans. Not here: how the row of a plan's run goes with what else its commit writes (added-plan.ts).
import { planOfRun } from "../../domain/id.ts";
import type { OrgId } from "../../domain/id.ts";
import type { PlanState } from "../../domain/plan.ts";
import { STATUS_OF_PLAN } from "../../domain/run.ts";
import type { Run, RunStatus } from "../../domain/run.ts";
import type { RunRepository } from "../ports/runs.ts";
import type { AddedPlan } from "./added-plan.ts";
import { arrayLiteral, arraysOf, insertText } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";
import { below } from "./newest-first.ts";
import { OF_PLAN, RUN_CHANGES, RUN_COLUMNS, RUN_SELECT, runOf } from "./run-rows.ts";
import type { RawRun } from "./run-rows.ts";
import type { Session } from "./transaction.ts";

const KEYS: readonly BulkColumn<Run>[] = [
  { name: "org_id", type: "uuid", value: (run) => run.orgId },
  { name: "run_id", type: "uuid", value: (run) => run.runId },
];
const ALL = [...KEYS, ...RUN_COLUMNS];
const NEWEST_FIRST = "ORDER BY r.created_ms DESC, r.run_id DESC";

const list = (from: string, limit: string): string =>
  `SELECT ${RUN_SELECT} FROM ${from} ${OF_PLAN} ${NEWEST_FIRST} LIMIT ${limit}`;
/** Index: runs_by_time or runs_by_owner, backwards; their predicates are named. */
const walk = (where: string): string =>
  list(
    `(SELECT * FROM maestro.runs x WHERE x.org_id = $1 AND ${where} AND (x.created_ms, x.run_id) < ($2, $3) ORDER BY x.created_ms DESC, x.run_id DESC) r`,
    "$4",
  );
const statesOf = (status: RunStatus): readonly PlanState[] =>
  (Object.keys(STATUS_OF_PLAN) as PlanState[]).filter((state) => STATUS_OF_PLAN[state] === status);

const OF_OWNER = "x.owner = $5 AND x.owner >= ''";

/** An index that has ids of runs in the order of lists. */
interface Source {
  readonly table: string;
  readonly id: string;
  readonly where: string;
}
/** Runs that were told of, and those of plans in each of the states that mean it. Indexes: runs_by_status and plans_by_state, literally named. */
const sourcesOf = (status: RunStatus): readonly Source[] => [
  { table: "runs", id: "run_id", where: `x.status = '${status}'` },
  ...statesOf(status).map((state) => ({
    table: "plans",
    id: "plan_id",
    where: `x.state = '${state}'`,
  })),
];

/**
 * The newest of each source, and of those the newest; a plan that was given up before any commit has no run. A plan's run is as old as
 * the plan, however late it was committed: otherwise neither index would have the other's order.
 */
const byStatus = (status: RunStatus): string => {
  const parts = sourcesOf(status).map(
    ({ table, id, where }) =>
      `(SELECT r.* FROM (SELECT x.created_ms, x.${id} AS id FROM maestro.${table} x WHERE x.org_id = $1 AND ${where} AND (x.created_ms, x.${id}) < ($2, $3) ` +
      `ORDER BY x.created_ms DESC, x.${id} DESC) q CROSS JOIN LATERAL (SELECT * FROM maestro.runs y WHERE y.org_id = $1 AND y.run_id = q.id OFFSET 0) r ` +
      "ORDER BY q.created_ms DESC, q.id DESC LIMIT $4)",
  );
  return list(`(${parts.join(" UNION ALL ")}) r`, "$4");
};

/**
 * Two indexes in the same order, each hopping to where the other stands: neither the many runs of an owner nor all that stand there are
 * read. `skip` is the run that was found last. Index: runs_by_owner, and the source's.
 */
const hopping = ({ table, id, where }: Source): string =>
  "(WITH RECURSIVE hop (ms, id, skip, hit) AS (SELECT $2::bigint, $3::uuid, $3::uuid, false UNION ALL " +
  "SELECT b.ms, b.id, CASE WHEN a.id = b.id THEN b.id END, a.id = b.id FROM hop h " +
  `CROSS JOIN LATERAL (SELECT x.created_ms AS ms, x.run_id AS id FROM maestro.runs x WHERE x.org_id = $1 AND ${OF_OWNER} ` +
  "AND (x.created_ms, x.run_id) <= (h.ms, h.id) AND x.run_id IS DISTINCT FROM h.skip ORDER BY x.created_ms DESC, x.run_id DESC LIMIT 1) a " +
  `CROSS JOIN LATERAL (SELECT x.created_ms AS ms, x.${id} AS id FROM maestro.${table} x WHERE x.org_id = $1 AND ${where} ` +
  `AND (x.created_ms, x.${id}) <= (a.ms, a.id) ORDER BY x.created_ms DESC, x.${id} DESC LIMIT 1) b) ` +
  "SELECT id FROM hop WHERE hit LIMIT $4)";
const byOwnerAndStatus = (status: RunStatus): string =>
  list(
    `(${sourcesOf(status).map(hopping).join(" UNION ALL ")}) h CROSS JOIN LATERAL (SELECT * FROM maestro.runs y WHERE y.org_id = $1 AND y.run_id = h.id OFFSET 0) r`,
    "$4",
  );
const each = (text: (status: RunStatus) => string): Readonly<Record<RunStatus, string>> => ({
  PENDING: text("PENDING"),
  RUNNING: text("RUNNING"),
  SUCCEEDED: text("SUCCEEDED"),
  FAILED: text("FAILED"),
  CANCELLED: text("CANCELLED"),
});

/** Exported so that their plans can be looked at. */
export const RUNS = {
  add: insertText("runs", ALL),
  /** One look-up a run, in one statement for all that are asked for. */
  find:
    `SELECT v.place, ${RUN_SELECT} FROM unnest($2::uuid[]) WITH ORDINALITY AS v(run_id, place) ` +
    `CROSS JOIN LATERAL (SELECT * FROM maestro.runs x WHERE x.org_id = $1 AND x.run_id = v.run_id OFFSET 0) r ${OF_PLAN}`,
  /** Lock: the run's row. */
  lock: "SELECT FROM maestro.runs WHERE org_id = $1 AND run_id = $2 FOR NO KEY UPDATE",
  save: `UPDATE maestro.runs SET ${RUN_CHANGES.map(({ name }, i) => `${name} = $${String(i + 3)}`).join(", ")} WHERE org_id = $1 AND run_id = $2`,
  list: walk("x.created_ms >= 0"),
  listOfOwner: walk(OF_OWNER),
  listOfStatus: each(byStatus),
  listOfOwnerAndStatus: each(byOwnerAndStatus),
} as const;

export function createRunRepository({ run, send }: Session, added: AddedPlan): RunRepository {
  const found = (orgId: OrgId, runIds: readonly string[]) =>
    run<RawRun & { readonly place: number }>(RUNS.find, [orgId, arrayLiteral("uuid", runIds)]);
  return {
    add: async (runs) => {
      if (runs.length > 0) send(RUNS.add, arraysOf(ALL, runs));
    },
    addOfPlan: async (run) => {
      added.addRun({ orgId: run.orgId, planId: planOfRun(run.runId) }, run);
    },
    find: async (orgId, runIds) => {
      if (runIds.length === 0) return [];
      const runs = new Array<Run | undefined>(runIds.length).fill(undefined);
      for (const raw of await found(orgId, runIds)) runs[raw.place - 1] = runOf(raw);
      return runs;
    },
    lock: async (orgId, runId) => {
      // Sent together, and read after the lock: a statement that waits for one returns rows from before the wait.
      const [, [raw]] = await Promise.all([run(RUNS.lock, [orgId, runId]), found(orgId, [runId])]);
      return raw === undefined ? undefined : runOf(raw);
    },
    save: async (changed) => {
      send(RUNS.save, [changed.orgId, changed.runId, ...RUN_CHANGES.map(({ value }) => value(changed))]);
    },
    list: async (orgId, { owner, status }, page) => {
      const parameters = [orgId, ...below(page), page.limit];
      const rows = await (owner === null
        ? run<RawRun>(status === null ? RUNS.list : RUNS.listOfStatus[status], parameters)
        : run<RawRun>(status === null ? RUNS.listOfOwner : RUNS.listOfOwnerAndStatus[status], [...parameters, owner]));
      return rows.map(runOf);
    },
  };
}
