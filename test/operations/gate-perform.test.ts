// Gate steps as they are performed: the judgement as an outcome, and trouble that passes. Not here: what the rules ask.
import { afterAll, beforeAll, expect, test } from "vitest";
import { NO_RELEASE_POLICY } from "../../src/domain/charter.ts";
import { RELEASE_GATE } from "../../src/domain/gate.ts";
import type { PlanId, RunArtifactId } from "../../src/domain/id.ts";
import { runOfPlan } from "../../src/domain/id.ts";
import type { OutcomeResult } from "../../src/domain/outcome.ts";
import type { RunArtifact } from "../../src/domain/run-artifact.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { gatePerform } from "../../src/operations/gate-perform.ts";
import { stepChange } from "../../src/operations/step-change.ts";
import { releaseGate } from "../../src/operations/release-gate.ts";
import type { ReleaseGate } from "../../src/operations/release-gate.ts";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { systemTimers } from "../../src/support/timers.ts";
import type { Timers } from "../../src/support/timers.ts";
import { aPlan, openPlans } from "../dispatch/room.ts";
import { newId } from "../support/store.ts";
import { FIRST, step, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openPlans();
  const release = { ...NO_RELEASE_POLICY, mode: "VERIFIED" as const };
  await bench.value(charterDeclare, { name: "strict", terms: terms({ release }), expectedRevision: 0 });
});
afterAll(() => bench.end());

/** What is waited for comes at once. */
const timers: Timers = { ...systemTimers, after: (_, work, options) => systemTimers.after(1, work, options) };
type Read = Parameters<typeof releaseGate>[0]["read"];

async function perform(
  planId: PlanId,
  options: { readonly read?: Read; readonly store?: Bench["it"]["store"]; readonly signal?: AbortSignal } = {},
): Promise<OutcomeResult> {
  const gate: ReleaseGate = releaseGate({ read: options.read ?? (async () => new Map()) });
  const row = (await bench.rows(planId)).get("gate");
  if (row === undefined) throw new Error("no gate");
  const lease = { planId, step: "gate", ordinal: row.ordinal, fencing: 1 };
  const signal = options.signal ?? new AbortController().signal;
  return gatePerform(options.store ?? bench.it.store, gate, timers)({ orgId: bench.org.orgId, lease }, signal);
}

const plan = (charter = "free"): Promise<PlanId> =>
  aPlan(
    bench,
    [
      step("pack"),
      { ...step("gate", ["pack"]), kind: "gate", capability: RELEASE_GATE, input: null, onFailure: "ASK" },
    ],
    charter,
  );

async function artifacts(planId: PlanId, count: number): Promise<void> {
  const made = Array.from({ length: count }, (_, i): RunArtifact => ({
    orgId: bench.org.orgId,
    artifactId: newId() as RunArtifactId,
    runId: runOfPlan(planId),
    kind: "OTHER",
    uri: `s3://bucket/${String(i)}`,
    contentHash: "",
    flags: { sbomPresent: true, slsaProvenancePresent: true, riskAssessmentPresent: true },
    additional: "{}",
    createdMs: 1_000 + i,
    createdBy: "alice",
    origin: null,
  }));
  await bench.it.store.transaction([bench.org.orgId], (tx) => tx.runArtifacts.add(made));
}

test("what it depends on must have succeeded, whatever the run did; then flags are believed", async () => {
  const planId = await plan();
  await artifacts(planId, 1);
  expect(await perform(planId)).toMatchObject({
    kind: "failure",
    failure: {
      errorClass: "TRANSIENT",
      message: expect.stringMatching(/'pack' is 'ready'.*failed: run\.succeeded$/) as string,
    },
  });
  await bench.perform(planId, "pack");
  const passed = await perform(planId);
  expect(passed.kind).toBe("success");
  const text = passed.kind === "success" && passed.outputs?.kind === "json" ? passed.outputs.text : "{}";
  expect(JSON.parse(text)).toMatchObject({ passed: true, mode: "flags", verdicts_left_out: 0 });
});

test("verdicts that are too many to tell are counted, those that failed told first", async () => {
  const planId = await plan("strict");
  await bench.perform(planId, "pack");
  await artifacts(planId, 2_000);
  const result = await perform(planId);
  if (result.kind !== "failure") throw new Error(result.kind);
  expect(Buffer.byteLength(result.failure.details)).toBeLessThan(65_536);
  const told = JSON.parse(result.failure.details) as { verdicts: { state: string }[]; verdicts_left_out: number };
  expect(told.verdicts[0]?.state).toBe("failed");
  expect(told.verdicts_left_out).toBeGreaterThan(0);
});

test("a store that is away and evidence that has to wait its turn are waited for", async () => {
  const planId = await plan("strict");
  let busy = 2;
  const read: Read = async () => (busy-- > 0 ? "BUSY" : new Map());
  let away = 2;
  const transaction: Bench["it"]["store"]["transaction"] = async (...call) => {
    if (away-- > 0) throw new StoreUnavailableError("gone");
    return bench.it.store.transaction(...call);
  };
  const result = await perform(planId, { read, store: { ...bench.it.store, transaction } });
  expect(result.kind).toBe("failure");
  expect([busy, away]).toEqual([-1, -3]);
});

test("one whose lease is over ends, and says nothing", async () => {
  const planId = await plan("strict");
  const over = new AbortController();
  const read: Read = async () => {
    over.abort(new Error("over"));
    return "BUSY";
  };
  await expect(perform(planId, { read, signal: over.signal })).rejects.toThrow();
});

test("of many steps that are to be skipped, gates are refused one by one, in a dry run as well", async () => {
  const planId = await plan();
  const change = { planId, verb: "skip" as const, states: [], keys: "*", reason: "", page: FIRST };
  const dry = await bench.value(stepChange, { ...change, dryRun: true });
  expect([dry.steps, dry.refused.map((one) => one.step)]).toEqual([["pack"], ["gate"]]);
  const done = await bench.value(stepChange, { ...change, keys: "gate", dryRun: false });
  expect([done.steps, done.refused.map(({ refusal }) => refusal.rule)]).toEqual([[], ["gate.by_hand"]]);
});
