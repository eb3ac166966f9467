// What every write of a plan must satisfy, next to what was there before. Not here: what must hold of the whole, see
// plan-invariants.ts.
import { createHash } from "node:crypto";
import { CHANGES_LIMIT } from "../../src/domain/plan/draft.ts";
import { PLAN_TRANSITIONS } from "../../src/domain/plan.ts";
import type { PlanRow } from "../../src/domain/plan.ts";
import type { PlanChanges } from "../../src/domain/plan/slice.ts";
import { has, STEP_FLAGS } from "../../src/domain/step.ts";
import type { StepRow, StepState } from "../../src/domain/step.ts";
import { isOver, letsGo, must } from "./plan-invariants-terms.ts";
import type { PlanStore } from "./plan-store.ts";

/** Holds of every write. */
export function checkWritten(
  store: PlanStore,
  before: { readonly plan: PlanRow; readonly steps: ReadonlyMap<number, StepRow | undefined> },
  changes: PlanChanges,
): void {
  const { plan } = changes;
  must(plan.rev === before.plan.rev + 1, "every write raises the revision", before.plan.rev, plan.rev);
  must(
    plan.state === before.plan.state || reachable(before.plan.state, plan.state),
    "a plan's state follows its table",
    before.plan.state,
    plan.state,
  );
  if (plan.activeVersion === before.plan.activeVersion) {
    // The hot statement leaves these out.
    const rare = (p: PlanRow): unknown => [p.minTrust, p.traceparent, p.committedMs, p.account.currency];
    must(
      JSON.stringify(rare(plan)) === JSON.stringify(rare(before.plan)),
      "only activations change what the hot statement leaves out",
    );
  }
  must(changes.steps.length === new Set(changes.steps.map((r) => r.ordinal)).size, "each row is written once");
  for (const row of changes.steps) {
    const old = before.steps.get(row.ordinal);
    must(old !== undefined && row.fencing >= old.fencing, "fencing only grows", old, row);
    if (old === undefined) continue;
    must(
      row.key === old.key && row.version === old.version && row.boostMs === old.boostMs && row.hold === old.hold,
      "a row keeps its fixed columns",
      old,
      row,
    );
    if (row.state === "LEASED" && old.state !== "LEASED")
      must(row.fencing > old.fencing, "a lease has a new fencing number", old, row);
    if (row.state === "LEASED" && old.fencing === 0) checkAllowed(store, row);
    if (old.state === "SUCCEEDED" && row.state === "COMPENSATING") checkUndoOrder(store, old);
  }
  checkTold(before.steps, changes);
  let seq = before.plan.recordSeq;
  const ids = new Set<string>();
  for (const record of changes.records) {
    seq += 1;
    must(record.seq === seq, "sequences of records have no gaps", record.seq, seq);
    must(!ids.has(record.recordId), "an id names one record", record.recordId);
    ids.add(record.recordId);
    const header = JSON.parse(record.header) as Record<string, unknown>;
    must(
      header["seq"] === seq &&
        header["id"] === record.recordId &&
        header["kind"] === record.kind &&
        header["stream"] === plan.planId,
      "a header says what its record is",
      header,
    );
    must(
      JSON.stringify(Object.keys(header)) === JSON.stringify(Object.keys(header).sort()),
      "a header is RFC 8785 text",
      record.header,
    );
    must(leafOf(record) === record.leaf, "a leaf can be computed again", record.recordId);
  }
  must(plan.recordSeq === seq, "the plan knows its last record", plan.recordSeq, seq);
  for (const attempt of changes.attempts) {
    const record = changes.records.find((r) => r.recordId === attempt.recordId);
    must(
      record !== undefined,
      "an attempt that ended has its record, in the same write",
      attempt.ordinal,
      attempt.fencing,
    );
    if (record !== undefined && attempt.outputs?.kind === "json") {
      const salt = sha("payload", Buffer.from(record.bodySalt, "hex"));
      must(
        sha(salt, attempt.outputs.text).toString("hex") === record.payloadCommitment,
        "outputs are committed to",
        attempt.ordinal,
      );
    }
  }
  checkNamed(changes);
  for (const late of changes.late)
    must(
      changes.records.some((r) => r.kind === "outcome.late" || r.kind === "outcome.contradicted"),
      "evidence has its record",
      late.ordinal,
    );
}

function reachable(from: PlanRow["state"], to: PlanRow["state"]): boolean {
  // One write may carry several decisions.
  const seen = new Set([from]);
  for (const state of seen) for (const next of PLAN_TRANSITIONS[state]) seen.add(next);
  return seen.has(to);
}

/** Each artifact of an outcome that counts becomes the run's in the same write, once. Attempts end once, so there is no other time. */
function checkNamed({ attempts, runArtifacts }: PlanChanges): void {
  const named = attempts
    .filter(({ state, undoing }) => state === "SUCCEEDED" && !undoing)
    .flatMap((it) => it.artifacts.map(({ uri, name }) => [it.ordinal, it.fencing, uri, name]));
  const kept = runArtifacts.map(({ origin, uri, additional }) => {
    const { name } = JSON.parse(additional) as { readonly name: string };
    return [origin?.ordinal, origin?.fencing, uri, name];
  });
  must(JSON.stringify(named) === JSON.stringify(kept), "what an outcome names is the run's, once", named, kept);
  must(
    new Set(runArtifacts.map((it) => it.artifactId)).size === runArtifacts.length,
    "an id names one artifact of a run",
    runArtifacts,
  );
}

function checkAllowed(store: PlanStore, row: StepRow): void {
  // Edges aside: a rerun that undoes first means every effect under its key.
  for (const older of store.steps.values())
    must(
      older.key !== row.key ||
        older.ordinal >= row.ordinal ||
        !has(older.flags, STEP_FLAGS.UNDO_FIRST) ||
        isOver(older),
      "a step runs again only once its old effect is undone, if that comes first",
      row,
      older,
    );
  for (const { from, to, regardless } of store.edges) {
    if (to !== row.ordinal) continue;
    const parent = store.steps.get(from);
    must(
      parent !== undefined && isOver(parent) && letsGo(parent, regardless),
      "a step is leased only when everything it depends on allows it",
      row.key,
      parent?.key,
      parent?.state,
      regardless,
    );
  }
}

/** Undone in reverse order of ends: nothing that is still to be undone ended later. */
function checkUndoOrder(store: PlanStore, began: StepRow): void {
  for (const row of store.steps.values()) {
    if (row.state !== "SUCCEEDED" || !has(row.flags, STEP_FLAGS.COMPENSABLE) || row.ordinal === began.ordinal) continue;
    const toUndo = !row.current || (store.plan.ending !== null && store.plan.compensate);
    must(
      !toUndo || (row.finishedMs ?? 0) <= (began.finishedMs ?? 0),
      "effects are undone in reverse order of their ends",
      row.key,
      row.finishedMs,
      began.key,
      began.finishedMs,
    );
  }
}

/** Whoever follows the records knows the state of every step, but for leases and the ends of backoffs, which have none. */
function checkTold(before: ReadonlyMap<number, StepRow | undefined>, changes: PlanChanges): void {
  // Rows that follow each other under one key are told of by that key.
  const told = new Map<string, Set<StepState>>();
  let named = 0;
  for (const { body } of changes.records) {
    const moves = (JSON.parse(body) as { changes?: [string, StepState][] }).changes ?? [];
    named += moves.length;
    for (const [key, state] of moves) told.set(key, (told.get(key) ?? new Set()).add(state));
  }
  if (named >= CHANGES_LIMIT) return;
  const rows = changes.steps.filter((row) => row.current);
  for (const row of rows) {
    const old = before.get(row.ordinal);
    // A row that comes under its key in this very write is told of by its version.
    if (old?.current !== true || old.state === row.state) continue;
    if (row.state === "LEASED" || (old.state === "BACKING_OFF" && changes.records.length === 0)) continue;
    must(told.get(row.key)?.has(row.state) === true, "a record names the step that moved", row.key, row.state);
  }
}

function leafOf(record: PlanStore["records"][number]): string {
  const parts = [
    Buffer.from([0]),
    Buffer.from("maestro.leaf.v1"),
    sha(Buffer.from(record.headerSalt, "hex"), record.header),
    sha(Buffer.from(record.bodySalt, "hex"), record.body),
    record.payloadCommitment === null ? Buffer.alloc(32) : Buffer.from(record.payloadCommitment, "hex"),
  ];
  return createHash("sha256").update(Buffer.concat(parts)).digest("hex");
}

function sha(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}
