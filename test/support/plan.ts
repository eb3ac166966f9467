// The smallest plan values that the store accepts: definitions, graph steps, rows, attempts. Not here: rules.
import { NOTHING } from "../../src/domain/amounts.ts";
import type { DemandId, ExecutorId, PlanId, RecordId } from "../../src/domain/id.ts";
import type { AnalysedEdge, GraphStep, GraphVersion } from "../../src/domain/graph.ts";
import { definitionText, fingerprint } from "../../src/domain/graph/fingerprint.ts";
import type { Attempt } from "../../src/domain/outcome.ts";
import type { PlanChanges } from "../../src/domain/plan/slice.ts";
import type { PlanRow } from "../../src/domain/plan.ts";
import { plainStep } from "../../src/domain/step.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";
import type { Goal } from "../../src/domain/goal.ts";
import { newId } from "./store.ts";

export function aDefinition(key: string): StepDefinition {
  return plainStep(key, {
    capability: "shell",
    input: { kind: "json", text: "{}" },
    timeoutMs: 60_000,
  });
}

export function aGraphStep(key: string): GraphStep {
  const definition = aDefinition(key);
  return {
    definition,
    definitionText: definitionText(definition),
    fingerprint: fingerprint(definition),
    level: 0,
    expectedMs: 1,
    earliestMs: 0,
    latestMs: 0,
    totalSlackMs: 0,
    freeSlackMs: 0,
    critical: false,
  };
}

export function anEdge(from: string, to: string): AnalysedEdge {
  return { from, to, kind: "EXPLICIT", regardless: false, redundant: false };
}

export function aVersion(goal: Goal, version = 1): GraphVersion {
  return {
    orgId: goal.orgId,
    planId: goal.planId,
    version,
    parentVersion: version - 1,
    state: "DRAFT",
    digest: "",
    stepCount: 0,
    edgeCount: 0,
    analysis: null,
    constraints: null,
    reason: "",
    createdMs: 3_000,
    createdBy: "alice",
  };
}

export function aStepRow(planId: PlanId, ordinal: number, fields: Partial<StepRow> = {}): StepRow {
  return {
    planId,
    ordinal,
    key: `step-${String(ordinal).padStart(6, "0")}`,
    version: 1,
    current: true,
    state: "PENDING",
    undoing: false,
    heldBack: false,
    waitingOn: 0,
    orderKey: null,
    demandId: "00000000-0000-8000-8000-000000000001" as DemandId,
    boostMs: 0,
    flags: 0,
    timeoutMs: 60_000,
    hold: NOTHING,
    attempt: 0,
    failures: 0,
    fencing: 0,
    executorId: null,
    sessionId: null,
    leaseUntilMs: null,
    deadlineMs: null,
    notBeforeMs: null,
    readyMs: null,
    startedMs: null,
    finishedMs: null,
    ...fields,
  };
}

export function anAttempt(planId: PlanId, ordinal: number, fencing: number, fields: Partial<Attempt> = {}): Attempt {
  return {
    planId,
    ordinal,
    fencing,
    attempt: 1,
    undoing: false,
    state: "SUCCEEDED",
    executorId: newId() as ExecutorId,
    readyMs: 1,
    leasedMs: 2,
    endedMs: 3,
    outputs: { kind: "json", text: '{"n":1}' },
    outputsDigest: "o",
    bodyDigest: "010203",
    failure: null,
    artifacts: [],
    logTail: "",
    hold: NOTHING,
    usage: { ...NOTHING, tokens: 2 },
    lateDigest: null,
    recordId: newId() as RecordId,
    ...fields,
  };
}

export function changesOf(plan: PlanRow, fields: Partial<PlanChanges>): PlanChanges {
  return {
    plan,
    steps: [],
    waits: [],
    attempts: [],
    late: [],
    inputs: [],
    runArtifacts: [],
    records: [],
    timers: [],
    approvals: [],
    rejectedVersions: [],
    cascade: undefined,
    goal: null,
    checkpoints: [],
    ...fields,
  };
}
