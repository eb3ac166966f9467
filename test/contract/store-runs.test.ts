// Runs in the store: what was told of them, what they have from their plans, and every list of them. Not here: what hangs on runs
// (store-run-artifacts.test.ts, store-governance.test.ts), nor which indexes serve (store-explain-runs.test.ts).
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NOTHING } from "../../src/domain/amounts.ts";
import type { OrgId, RunId, WorkflowId } from "../../src/domain/id.ts";
import type { PlanState } from "../../src/domain/plan.ts";
import { STATUS_OF_PLAN } from "../../src/domain/run.ts";
import type { Run, RunStatus } from "../../src/domain/run.ts";
import type { Tx } from "../../src/store/ports/store.ts";
import { changesOf } from "../support/plan.ts";
import { aPlansRun, aToldRun } from "../support/runs.ts";
import { aCharter, addOrg, aGoal, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

const STATUSES: readonly RunStatus[] = ["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"];
const STATES = Object.keys(STATUS_OF_PLAN) as PlanState[];
const OWNERS = ["team-a", "team-b", 'odd "quoted" \\ {,}'];

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
  });
  afterAll(() => it.end());
  const inOrg = <T>(work: (tx: Tx) => Promise<T>, org = orgId): Promise<T> => it.store.transaction([org], work);
  const find = async (run: Run): Promise<Run | undefined> =>
    (await inOrg((tx) => tx.runs.find(run.orgId, [run.runId])))[0];

  /** A plan in a state, with its run; gives the run as it is to be read. */
  const addPlan = async (
    tx: Tx,
    org: OrgId,
    state: PlanState,
    fields: { readonly createdMs?: number; readonly owner?: string; readonly micros?: number | null } = {},
  ): Promise<Run> => {
    const { createdMs = 2_000, owner = "alice", micros = null } = fields;
    const charter = aCharter(org, newId());
    await tx.charters.add(charter);
    const goal = aGoal(charter, { createdMs, createdBy: owner });
    const plan = await tx.goals.add(goal);
    const committedMs = state === "UNCOMMITTED" || state === "AWAITING_RATIFICATION" ? null : createdMs + 5;
    const finishedMs = ["COMPLETED", "FAILED", "CANCELLED"].includes(state) ? createdMs + 9 : null;
    const account = {
      ...plan.account,
      ...(micros === null ? {} : { currency: "EUR" }),
      spent: { ...NOTHING, moneyMicros: micros ?? 0 },
      overrun: { ...NOTHING, moneyMicros: micros === null ? 0 : 250_000 },
    };
    const run = aPlansRun(goal);
    await tx.runs.addOfPlan(run);
    await tx.plans.save(changesOf({ ...plan, state, committedMs, finishedMs, account }, {}));
    return {
      ...run,
      status: STATUS_OF_PLAN[state] ?? "PENDING",
      startedMs: committedMs ?? createdMs,
      finishedMs,
      costActual: micros === null ? null : micros / 1e6 + 0.25,
      charter: charter.name,
    };
  };

  test("runs that were told of are read as they were, in the order asked for; what is not there is not", async () => {
    const full = aToldRun(orgId, {
      name: 'odd "name" {1,2} \\',
      status: "FAILED",
      finishedMs: 5_000,
      costEstimate: 12.345678901234567,
      costActual: 1e12,
      relatedEntityIds: ["e1", 'e"2'],
      relatedDecisionIds: ["d1"],
      metadata: '{"a":{"b":[1,"two",null]}}',
      workflowId: newId() as WorkflowId,
      tasks: [{ name: "Build it", agentType: "builder", step: "build-it" }],
      charter: "upkeep",
    });
    const plain = aToldRun(orgId, { costEstimate: 1e-7 });
    await inOrg((tx) => tx.runs.add([full, plain]));
    const nobody = newId() as RunId;
    const ids = [plain.runId, nobody, full.runId, plain.runId];
    expect(await inOrg((tx) => tx.runs.find(orgId, ids))).toEqual([plain, undefined, full, plain]);
    expect(await inOrg((tx) => tx.runs.find(orgId, []))).toEqual([]);
    await inOrg((tx) => tx.runs.add([]));
  });

  test("the same run is not added twice, and one that no table would take is not added", async () => {
    const run = aToldRun(orgId);
    await inOrg((tx) => tx.runs.add([run]));
    await expect(inOrg((tx) => tx.runs.add([run]))).rejects.toThrow();
    for (const cost of [-1, 2e12, Number.NaN])
      await expect(inOrg((tx) => tx.runs.add([aToldRun(orgId, { costActual: cost })]))).rejects.toThrow();
  });

  test("what may be changed of a run is kept, and nothing else", async () => {
    const run = aToldRun(orgId);
    await inOrg((tx) => tx.runs.add([run]));
    const changed: Run = {
      ...run,
      name: "other",
      owner: "team-b",
      status: "SUCCEEDED",
      finishedMs: 9_000,
      costEstimate: 1,
      costActual: 2,
      relatedEntityIds: ["x"],
      relatedDecisionIds: ["y"],
      metadata: '{"z":1}',
    };
    await inOrg(async (tx) => {
      expect(await tx.runs.lock(orgId, run.runId)).toEqual(run);
      await tx.runs.save({ ...changed, createdBy: "thief", startedMs: 1 });
    });
    expect(await find(run)).toEqual(changed);
    expect(await inOrg((tx) => tx.runs.lock(orgId, newId() as RunId))).toBeUndefined();
  });

  test("a locked run is read after the lock: of two that raise its cost neither is lost", async () => {
    const run = aToldRun(orgId, { costActual: 0 });
    await inOrg((tx) => tx.runs.add([run]));
    const raise = () =>
      inOrg(async (tx) => {
        const now = await tx.runs.lock(orgId, run.runId);
        if (now !== undefined) await tx.runs.save({ ...now, costActual: (now.costActual ?? 0) + 1 });
      });
    await Promise.all(Array.from({ length: 8 }, raise));
    expect(await find(run)).toMatchObject({ costActual: 8 });
  });

  test.each(STATES)("the run of a plan that is %s follows it", async (state) => {
    const run = await inOrg((tx) => addPlan(tx, orgId, state, { micros: 1_500_000 }));
    // Sent back, it was never committed.
    expect(await find(run)).toEqual(state === "UNCOMMITTED" ? undefined : run);
  });

  test("a plan's run keeps what is said of it besides, and nothing of what its plan says", async () => {
    const run = await inOrg((tx) => addPlan(tx, orgId, "COMPLETED"));
    expect(run.costActual).toBeNull();
    await inOrg(async (tx) => {
      const now = await tx.runs.lock(orgId, run.runId);
      if (now !== undefined)
        await tx.runs.save({ ...now, name: "n", status: "FAILED", finishedMs: 1, costActual: 7, costEstimate: 3 });
    });
    expect(await find(run)).toEqual({ ...run, name: "n", costEstimate: 3 });
    // Committed again, it has its run already.
    await inOrg((tx) => tx.runs.addOfPlan({ ...run, name: "again" }));
    expect(await find(run)).toMatchObject({ name: "n" });
  });

  test("lists are of whom and of what is asked for, newest first, and pages of any size join to the whole", async () => {
    const { orgId: org } = await addOrg(it.store);
    const all: Run[] = [];
    await inOrg(async (tx) => {
      for (let i = 0; i < 60; i++) {
        const createdMs = 1_000 + Math.floor(i / 3);
        const owner = OWNERS[(i * 7) % OWNERS.length] ?? "";
        if (i % 2 === 0) {
          const run = await addPlan(tx, org, STATES[(i / 2) % STATES.length] ?? "ACTIVE", { createdMs, owner });
          if (STATES[(i / 2) % STATES.length] !== "UNCOMMITTED") all.push(run);
        } else {
          const status = STATUSES[((i - 1) / 2) % STATUSES.length] ?? "PENDING";
          const run = aToldRun(org, { createdMs, owner, status, name: String(i) });
          await tx.runs.add([run]);
          all.push(run);
        }
      }
    }, org);
    all.sort((a, b) => (a.createdMs === b.createdMs ? (a.runId < b.runId ? 1 : -1) : b.createdMs - a.createdMs));
    await inOrg(async (tx) => {
      for (const owner of [null, ...OWNERS, "nobody"])
        for (const status of [null, ...STATUSES]) {
          const wanted = all.filter(
            (run) => (owner === null || run.owner === owner) && (status === null || run.status === status),
          );
          for (const limit of [1, 4, 100]) {
            const found: Run[] = [];
            for (;;) {
              const last = found.at(-1);
              const after = last === undefined ? null : [last.createdMs, last.runId];
              const page = await tx.runs.list(org, { owner, status }, { limit, after });
              found.push(...page);
              if (page.length < limit) break;
            }
            expect(found, `${String(owner)} ${String(status)} by ${String(limit)}`).toEqual(wanted);
          }
        }
    }, org);
  });
});
