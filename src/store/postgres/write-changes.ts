// Writes what decisions changed, for many plans at once, each row at most once. Not here: reading (slice.ts), and the
// statements themselves (write-statements.ts). Locks: the caller holds the plan rows; every statement joins on the full key.
import type { PlanId } from "../../domain/id.ts";
import type { PlanChanges, PlanSlice } from "../../domain/plan/slice.ts";
import { arrayLiteral } from "./columns.ts";
import { placeIds, placedArrays, unite } from "./placed.ts";
import type { FilledStatement, Placed, PlacedStatement } from "./placed.ts";
import { PLAN_RARE } from "./plan-rows.ts";
import { STEP_RARE } from "./step-rows.ts";
import { isPlain, same, STATEMENTS } from "./write-statements.ts";

/** Runs one prepared statement on the transaction's connection; statements are sent without waiting for each other. */
export type Run = (text: string, parameters: unknown[]) => PromiseLike<unknown>;

const CASCADE_SET =
  "INSERT INTO maestro.cascades (org_id, plan_id, frontier, sweep_from, created_ms) VALUES ($1, $2, $3::int[], $4, $5) " +
  "ON CONFLICT (org_id, plan_id) DO UPDATE SET frontier = excluded.frontier, sweep_from = excluded.sweep_from";
const CASCADE_DONE = "DELETE FROM maestro.cascades WHERE org_id = $1 AND plan_id = $2";

/** Sends all writes of a batch without waiting in between. */
export function sendChanges(
  run: Run,
  changes: readonly PlanChanges[],
  options: {
    readonly nowMs: number;
    /** What was loaded: rows that changed little are written in little. */
    readonly before?: ReadonlyMap<PlanId, PlanSlice>;
    /** Inserts of rows of the one plan as they are now; with it, its goal and all of its steps. */
    readonly added?: { readonly statements: readonly FilledStatement[]; readonly withPlan: boolean };
  },
): PromiseLike<unknown>[] {
  const sent: PromiseLike<unknown>[] = [];
  const ids = placeIds(changes.map((c) => c.plan));
  const usual: FilledStatement[] = [...(options.added?.statements ?? [])];
  const write = <T>({ text, columns }: PlacedStatement<T>, rows: readonly Placed<T>[]): void => {
    if (rows.length > 0) sent.push(run(text, placedArrays(ids, columns, rows)));
  };
  const writeUsual = <T>({ text, columns }: PlacedStatement<T>, rows: readonly Placed<T>[]): void => {
    if (rows.length > 0) usual.push({ text, parameters: placedArrays(ids, columns, rows) });
  };
  const placed = <T>(of: (c: PlanChanges) => readonly T[]): Placed<T>[] => placedOf(changes, of);
  // Rows that were there before.
  const kept = options.added?.withPlan === true ? [] : changes;
  // Where nothing is known of what was there, rows are written whole as a rule.
  const writeRare = options.before === undefined ? writeUsual : write;
  const loaded = changes.map((c) => options.before?.get(c.plan.planId));

  const [stepsHot, stepsAll] = parted(
    placedOf(kept, (c) => c.steps),
    ({ place, it }) => same(STEP_RARE, loaded[place - 1]?.steps.get(it.ordinal), it),
  );
  writeUsual(STATEMENTS.stepsHot, stepsHot);
  writeUsual(
    STATEMENTS.waits,
    placedOf(kept, (c) => c.waits),
  );
  const [plansHot, plansAll] = parted(
    placedOf(kept, (c) => [c.plan]),
    ({ place, it }) => same(PLAN_RARE, loaded[place - 1]?.plan, it),
  );
  writeUsual(STATEMENTS.plansHot, plansHot);
  const [plain, others] = parted(
    placed((c) => c.attempts),
    ({ it }) => isPlain(it),
  );
  writeUsual(STATEMENTS.attempts, plain);
  writeUsual(
    STATEMENTS.records,
    placed((c) => c.records),
  );
  writeUsual(
    STATEMENTS.goals,
    placedOf(kept, (c) => (c.goal === null ? [] : [c.goal])),
  );
  writeRare(STATEMENTS.stepsAll, stepsAll);
  writeRare(STATEMENTS.plansAll, plansAll);
  // What nearly every batch writes is one statement; each of its rows is another one.
  if (usual.length > 0) {
    const { text, parameters } = unite(usual);
    sent.push(run(text, [...parameters]));
  }
  write(STATEMENTS.attemptsAll, others);
  write(
    STATEMENTS.inputs,
    placed((c) => c.inputs),
  );
  write(
    STATEMENTS.runArtifacts,
    placed((c) => c.runArtifacts),
  );
  write(
    STATEMENTS.late,
    placed((c) => c.late),
  );
  const [timersSet, timersCleared] = parted(
    placed((c) => c.timers),
    ({ it }) => it.dueMs !== null,
  );
  write(STATEMENTS.timersSet, timersSet);
  write(STATEMENTS.timersCleared, timersCleared);
  write(
    STATEMENTS.approvals,
    placed((c) => c.approvals),
  );
  write(
    STATEMENTS.versionsRejected,
    placed((c) => c.rejectedVersions),
  );
  write(
    STATEMENTS.checkpoints,
    placed((c) => c.checkpoints.map((it) => ({ ...it, atMs: options.nowMs }))),
  );
  for (const { plan, cascade } of changes) {
    if (cascade === undefined) continue;
    sent.push(
      cascade === null
        ? run(CASCADE_DONE, [plan.orgId, plan.planId])
        : run(CASCADE_SET, [
            plan.orgId,
            plan.planId,
            arrayLiteral("int", cascade.frontier),
            cascade.sweepFrom,
            plan.createdMs,
          ]),
    );
  }
  return sent;
}

function placedOf<T>(changes: readonly PlanChanges[], of: (c: PlanChanges) => readonly T[]): Placed<T>[] {
  return changes.flatMap((c, i) => of(c).map((it) => ({ place: i + 1, it })));
}

function parted<T>(rows: readonly T[], is: (row: T) => boolean): readonly [readonly T[], readonly T[]] {
  const yes: T[] = [];
  const no: T[] = [];
  for (const row of rows) (is(row) ? yes : no).push(row);
  return [yes, no];
}
