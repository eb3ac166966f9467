// A workbench for operations: calls them in transactions as the engine would, and performs steps as executors would.
// Not here: expectations.
import { digestOfText, sha256Hex } from "../../src/domain/canonical.ts";
import { NO_LIMITS, NOTHING } from "../../src/domain/amounts.ts";
import { NO_RELEASE_POLICY } from "../../src/domain/charter.ts";
import type { CharterTerms } from "../../src/domain/charter.ts";
import type { Constraints, GoalSpec } from "../../src/domain/goal.ts";
import type { ExecutorId, PlanId, SessionId } from "../../src/domain/id.ts";
import type { OutcomeResult } from "../../src/domain/outcome.ts";
import type { Artifact } from "../../src/domain/payload.ts";
import { PlanDraft } from "../../src/domain/plan/draft.ts";
import type { DecideContext } from "../../src/domain/plan/draft.ts";
import { claim } from "../../src/domain/plan/lease.ts";
import { report } from "../../src/domain/plan/report.ts";
import { MissingRows } from "../../src/domain/plan/slice.ts";
import type { Org, Principal } from "../../src/domain/principal.ts";
import { RefusedError } from "../../src/domain/refusal.ts";
import type { Refusal } from "../../src/domain/refusal.ts";
import { plainStep } from "../../src/domain/step.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";
import type { Done, Operation, OperationContext } from "../../src/engine/operation.ts";
import { heavyWork } from "../../src/operations/heavy-work.ts";
import type { HeavyWork } from "../../src/operations/heavy-work.ts";
import type { PageRequest } from "../../src/store/ports/paging.ts";
import { systemRandom } from "../../src/support/random.ts";
import { addOrg, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

export const random = systemRandom();
export const FIRST: PageRequest = { limit: 100, after: null };

export interface Bench {
  readonly it: TestStore;
  readonly org: Org;
  readonly heavy: HeavyWork;
  readonly context: (name?: string, grants?: readonly string[]) => OperationContext;
  /** Runs an operation in a transaction; refusals are returned, thrown ones included. */
  run<Req, Res>(
    operation: Operation<Req, Res>,
    request: Req,
    context?: OperationContext,
  ): Promise<{ readonly done: Done<Res> } | { readonly refusal: Refusal }>;
  /** The value of an operation that must not be refused. */
  value<Req, Res>(operation: Operation<Req, Res>, request: Req, context?: OperationContext): Promise<Res>;
  /** The refusal of an operation that must be refused. */
  refusal<Req, Res>(operation: Operation<Req, Res>, request: Req, context?: OperationContext): Promise<Refusal>;
  lease(planId: PlanId, key: string): Promise<void>;
  /** Tries to lease a step that the budget does not allow; it leaves the ready set. */
  starve(planId: PlanId, key: string): Promise<void>;
  finish(planId: PlanId, key: string, result?: OutcomeResult, artifacts?: readonly Artifact[]): Promise<void>;
  /** Leases and finishes steps in order. */
  perform(planId: PlanId, ...keys: readonly string[]): Promise<void>;
  rows(planId: PlanId): Promise<ReadonlyMap<string, StepRow>>;
  /** `key: STATE` of current rows. */
  states(planId: PlanId): Promise<Readonly<Record<string, string>>>;
  end(): Promise<void>;
}

export async function openBench(): Promise<Bench> {
  const [server] = servers();
  if (server === undefined) throw new Error("no server to test on");
  const it = await openStore(server);
  const { store } = it;
  const org = await addOrg(store);
  const sessionId = newId() as SessionId;
  await store.platform.openSession(sessionId, "here", "test", 600_000);
  const executorId = newId() as ExecutorId;
  const heavy = heavyWork();
  const context = (name = "alice", grants: readonly string[] = ["*"]): OperationContext => {
    const principal: Principal = { orgId: org.orgId, name, grants, keyId: null, untilMs: null };
    return {
      principal,
      stages: null,
      handover: { reserve: () => [] },
      largeWork: { begin: () => undefined },
      sessionId,
      storeEpoch: 1,
      ids: { uuid: newId },
      random,
      traceparent: "",
      signal: new AbortController().signal,
    };
  };
  const run: Bench["run"] = async (operation, request, as = context()) => {
    try {
      const result = await store.transaction([org.orgId], async (tx) => {
        const decision = await operation(tx, request, as);
        if (!decision.ok) return { refusal: decision.refusal };
        if ("later" in decision.value) return decision.value;
        if (decision.value.journal !== undefined)
          await tx.records.appendJournal(org.orgId, sessionId, [decision.value.journal], await tx.nowMs());
        return { done: decision.value };
      });
      if (!("later" in result)) return result;
      const decision = await result.later();
      return decision.ok ? { done: { value: decision.value, recordId: null } } : { refusal: decision.refusal };
    } catch (trouble) {
      if (trouble instanceof RefusedError) return { refusal: trouble.refusal };
      throw trouble;
    }
  };
  const rows: Bench["rows"] = async (planId) => {
    const { steps } = await store.transaction([org.orgId], (tx) => tx.plans.allSteps(org.orgId, planId));
    return new Map(steps.map((row) => [row.key, row]));
  };
  const decide = async (planId: PlanId, key: string, work: (draft: PlanDraft, row: StepRow) => void): Promise<void> => {
    // An attempt that was told to stop is not current any more.
    const row = await store.transaction([org.orgId], async (tx) => {
      const plan = await tx.plans.find(org.orgId, planId);
      if (plan === undefined) throw new Error("no plan");
      const slice = tx.plans.slice(plan);
      await tx.plans.complete(slice, { whole: true });
      const all = [...slice.steps.values()].filter((r) => r.key === key);
      return (
        all.find((r) => r.state === "STOPPING") ??
        all.find((r) => r.undoing && (r.state === "COMPENSATING" || r.state === "LEASED")) ??
        all.find((r) => r.current)
      );
    });
    if (row === undefined) throw new Error(`no step ${key}`);
    await store.batches.run(
      [{ orgId: org.orgId, planId, ordinals: [row.ordinal], childrenOf: [row.ordinal] }],
      (slice, nowMs) => {
        const decideContext: DecideContext = {
          nowMs,
          storeEpoch: 1,
          actor: "executor",
          stages: null,
          newId,
          salts: (n) => random.bytes(n),
          fraction: () => 0.5,
        };
        const draft = new PlanDraft(slice, decideContext);
        try {
          work(draft, draft.step(row.ordinal));
        } catch (trouble) {
          if (trouble instanceof MissingRows) return { kind: "needs", needs: trouble.needs };
          throw trouble;
        }
        return { kind: "changes", changes: draft.changes(), leased: [] };
      },
      { wait: true },
    );
  };
  const lease: Bench["lease"] = (planId, key) =>
    decide(planId, key, (draft, row) => {
      if (claim(draft, { ordinal: row.ordinal, executorId, sessionId, leaseMs: null }) === undefined)
        throw new Error(`step ${key} is ${row.state} and cannot be leased`);
    });
  const starve: Bench["starve"] = (planId, key) =>
    decide(planId, key, (draft, row) => {
      if (claim(draft, { ordinal: row.ordinal, executorId, sessionId, leaseMs: null }) !== undefined)
        throw new Error(`step ${key} was leased`);
    });
  const finish: Bench["finish"] = (planId, key, result = success(`{"made":"${key}"}`), artifacts = []) =>
    decide(planId, key, (draft, row) => {
      const holder = row.executorId;
      if (holder === null) throw new Error(`step ${key} is ${row.state} and has no lease`);
      const outcome = {
        lease: { planId, step: key, ordinal: row.ordinal, fencing: row.fencing },
        result,
        usage: { ...NOTHING, tokens: 1 },
        artifacts,
        bodyDigest: sha256Hex(`${key}${String(row.fencing)}`),
        logTail: "",
      };
      const receipt = report(draft, outcome, holder);
      if (!receipt.ok) throw new Error(receipt.refusal.explanation);
    });
  return {
    it,
    org,
    heavy,
    context,
    run,
    rows,
    lease,
    starve,
    finish,
    value: async (operation, request, as) => {
      const result = await run(operation, request, as);
      if ("refusal" in result) throw new Error(`${result.refusal.reason}: ${result.refusal.explanation}`);
      return result.done.value;
    },
    refusal: async (operation, request, as) => {
      const result = await run(operation, request, as);
      if ("done" in result) throw new Error("it was not refused");
      return result.refusal;
    },
    perform: async (planId, ...keys) => {
      for (const key of keys) {
        await lease(planId, key);
        await finish(planId, key);
      }
    },
    states: async (planId) => Object.fromEntries([...(await rows(planId)).values()].map((row) => [row.key, row.state])),
    end: async () => {
      await heavy.close();
      await it.end();
    },
  };
}

export function success(outputs: string): OutcomeResult {
  return { kind: "success", outputs: { kind: "json", text: outputs }, outputsDigest: digestOfText(outputs) };
}

export function failure(message: string): OutcomeResult {
  return { kind: "failure", failure: { errorClass: "PERMANENT", message, details: "" } };
}

export const NO_CONSTRAINTS: Constraints = { budget: { ...NO_LIMITS, currency: "" }, deadlineMs: null, minTrust: 0 };

export function terms(over: Partial<CharterTerms> = {}): CharterTerms {
  return {
    purpose: "",
    budget: { ...NO_LIMITS, currency: "" },
    deadlineMs: null,
    minTrust: 0,
    ratifyCommits: false,
    staleRule: "RERUN",
    release: NO_RELEASE_POLICY,
    ...over,
  };
}

export function spec(over: Partial<GoalSpec> = {}): GoalSpec {
  return { name: "pack", intent: "", inputs: null, constraints: NO_CONSTRAINTS, labels: {}, attributes: {}, ...over };
}

/** A step that needs others; its input may hold references. */
export function step(
  key: string,
  needs: readonly string[] = [],
  over: Partial<StepDefinition> & { readonly run?: string; readonly tokens?: number; readonly ms?: number } = {},
): StepDefinition {
  const { run = key, tokens = 0, ms, ...rest } = over;
  return plainStep(key, {
    capability: "shell",
    hold: { ...NOTHING, tokens },
    needs: needs.map((name) => ({ step: name, regardless: false })),
    input: { kind: "json", text: JSON.stringify({ run }) },
    estimate: ms === undefined ? null : { optimisticMs: ms, likelyMs: ms, pessimisticMs: ms },
    ...rest,
  });
}
