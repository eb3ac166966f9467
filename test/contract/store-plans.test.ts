// Graph versions and running plans in the store, large ones included.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NOTHING } from "../../src/domain/amounts.ts";
import type { Goal } from "../../src/domain/goal.ts";
import type { OrgId, PlanId, SessionId } from "../../src/domain/id.ts";
import type { PlanRow } from "../../src/domain/plan.ts";
import type { Tx } from "../../src/store/ports/store.ts";
import { aGraphStep, anAttempt, anEdge, aStepRow, aVersion, changesOf } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  beforeAll(async () => {
    it = await openStore(server);
  });
  beforeAll(async () => {
    ({ orgId } = await addOrg(it.store));
  });
  afterAll(() => it.end());

  const newGoal = async (): Promise<Goal> => {
    const goal = aGoal(aCharter(orgId));
    await it.store.transaction([orgId], (tx) => tx.goals.add(goal));
    return goal;
  };
  const inOrg = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => it.store.transaction([orgId], work);
  const locked = async (tx: Tx, planId: PlanId): Promise<PlanRow> => {
    const plan = await tx.plans.lock(orgId, planId);
    if (plan === undefined) throw new Error("no plan");
    return plan;
  };

  describe("graph versions", () => {
    test("a version is kept with its analysis and changes state", async () => {
      const goal = await newGoal();
      const version = aVersion(goal);
      const analysis = {
        levels: 2,
        width: 1,
        criticalPath: ["a"],
        makespanMs: 1,
        makespanP50Ms: 1,
        makespanP90Ms: 2,
        redundantEdges: [],
        redundantEdgeCount: 0,
        unservableSteps: [],
        worstCase: NOTHING,
        feasible: true,
        counterExample: "",
        counterExampleSteps: [],
      };
      await inOrg(async (tx) => {
        await tx.graphs.addVersion(version);
        await tx.graphs.addVersion(aVersion(goal, 2));
        const refined = {
          ...version,
          state: "REFINED" as const,
          digest: "g",
          stepCount: 3,
          edgeCount: 1,
          analysis,
          constraints: goal.spec.constraints,
          reason: "first",
        };
        await tx.graphs.saveVersion(refined);
        expect(await tx.graphs.findVersion(orgId, goal.planId, 1)).toEqual(refined);
        await tx.graphs.setState(orgId, goal.planId, 1, "ACTIVE");
        expect(await tx.graphs.findVersion(orgId, goal.planId, 1)).toEqual({ ...refined, state: "ACTIVE" });
        expect(await tx.graphs.findVersion(orgId, goal.planId, 3)).toBeUndefined();
        expect(
          (await tx.graphs.listVersions(orgId, goal.planId, { limit: 5, after: null })).map((v) => v.version),
        ).toEqual([2, 1]);
        expect(
          (await tx.graphs.listVersions(orgId, goal.planId, { limit: 5, after: [2] })).map((v) => v.version),
        ).toEqual([1]);
      });
    });

    test("keys that are taken are named, and then nothing is added", async () => {
      const goal = await newGoal();
      await inOrg(async (tx) => {
        await tx.graphs.addVersion(aVersion(goal));
        expect(
          await tx.graphs.addSteps(orgId, goal.planId, 1, ["a", "b", 'odd "key" {1,2} \\'].map(aGraphStep)),
        ).toEqual({ taken: [] });
        expect(await tx.graphs.addSteps(orgId, goal.planId, 1, ["c", "b", "a"].map(aGraphStep))).toEqual({
          taken: ["a", "b"],
        });
        expect((await tx.graphs.steps(orgId, goal.planId, 1)).map((s) => s.definition.key)).toEqual([
          "a",
          "b",
          'odd "key" {1,2} \\',
        ]);
        expect(await tx.graphs.addSteps(orgId, goal.planId, 1, [])).toEqual({ taken: [] });
      });
    });

    test("steps and edges are replaced as a whole and listed in pages", async () => {
      const goal = await newGoal();
      const steps = ["a", "b", "c"].map(aGraphStep);
      const edges = [
        anEdge("a", "b"),
        anEdge("a", "c"),
        { ...anEdge("b", "c"), kind: "VALUE" as const, regardless: true, redundant: true },
      ];
      await inOrg(async (tx) => {
        await tx.graphs.addVersion(aVersion(goal));
        await tx.graphs.addSteps(orgId, goal.planId, 1, ["z"].map(aGraphStep));
        await tx.graphs.replace(orgId, goal.planId, 1, steps, edges);
        expect(await tx.graphs.steps(orgId, goal.planId, 1)).toEqual(steps);
        expect(await tx.graphs.edges(orgId, goal.planId, 1)).toEqual(edges);
        expect(
          (await tx.graphs.listSteps(orgId, goal.planId, 1, { limit: 1, after: ["a"] })).map((s) => s.definition.key),
        ).toEqual(["b"]);
        expect(await tx.graphs.listEdges(orgId, goal.planId, 1, { limit: 2, after: null })).toEqual(edges.slice(0, 2));
        expect(await tx.graphs.listEdges(orgId, goal.planId, 1, { limit: 2, after: ["a", "c"] })).toEqual(
          edges.slice(2),
        );
      });
    });

    test("graphs larger than one statement come back whole", async () => {
      const goal = await newGoal();
      const steps = Array.from({ length: 20_001 }, (_, i) => aGraphStep(`step-${String(i).padStart(6, "0")}`));
      const edges = steps.slice(1).map((step, i) => anEdge(steps[i]?.definition.key ?? "", step.definition.key));
      await inOrg(async (tx) => {
        await tx.graphs.addVersion(aVersion(goal));
        await tx.graphs.replace(orgId, goal.planId, 1, steps, edges);
        expect(await tx.graphs.steps(orgId, goal.planId, 1)).toHaveLength(20_001);
        expect(await tx.graphs.edges(orgId, goal.planId, 1)).toHaveLength(20_000);
      });
    });
  });

  describe("plans", () => {
    test("locking waits for whoever holds the plan, and then reads what that one wrote", async () => {
      const { planId } = await newGoal();
      const held = Promise.withResolvers<undefined>();
      const go = Promise.withResolvers<undefined>();
      const first = inOrg(async (tx) => {
        const plan = await locked(tx, planId);
        held.resolve(undefined);
        await go.promise;
        await tx.plans.save(changesOf({ ...plan, rev: plan.rev + 1 }, {}));
      });
      await held.promise;
      const second = inOrg(async (tx) => (await locked(tx, planId)).rev);
      // Reading takes no lock.
      expect((await inOrg((tx) => tx.plans.find(orgId, planId)))?.rev).toBe(0);
      go.resolve(undefined);
      await first;
      expect(await second).toBe(1);
    });

    test("a goal that is added answers with its plan as it is read back", async () => {
      await inOrg(async (tx) => {
        const goal = aGoal(aCharter(orgId));
        const plan = await tx.goals.add(goal);
        expect(plan).toMatchObject({ state: "UNCOMMITTED", nextOrdinal: 1 });
        expect(await tx.plans.lock(orgId, goal.planId)).toEqual(plan);
      });
    });

    test("a write that the database does not take fails the transaction, and is what it fails with", async () => {
      const goal = aGoal(aCharter(orgId));
      const after = inOrg(async (tx) => {
        await tx.goals.add(goal);
        await tx.goals.add(goal);
        await tx.goals.setState(orgId, goal.planId, "CANCELLED", 1);
        return tx.plans.find(orgId, goal.planId).catch(() => undefined);
      });
      await expect(after).rejects.toThrow("23505");
      expect(await inOrg((tx) => tx.plans.find(orgId, goal.planId))).toBeUndefined();
    });

    test("a plan that is not there locks as nothing", async () => {
      expect(await inOrg((tx) => tx.plans.lock(orgId, newId() as PlanId))).toBeUndefined();
    });

    test("committed plans are listed newest first, by state, in pages", async () => {
      const { orgId: own } = await addOrg(it.store);
      const goals = [1, 2, 2, 3].map((createdMs) => aGoal(aCharter(own), { createdMs }));
      await it.store.transaction([own], async (tx) => {
        for (const [i, goal] of goals.entries()) {
          await tx.goals.add(goal);
          const plan = await tx.plans.lock(own, goal.planId);
          if (plan !== undefined && i > 0)
            await tx.plans.save(changesOf({ ...plan, state: i === 1 ? "FAILED" : "ACTIVE", committedMs: 9 }, {}));
        }
        const ids = goals
          .slice(1)
          .toSorted((a, b) => b.createdMs - a.createdMs || (a.planId < b.planId ? 1 : -1))
          .map((g) => g.planId);
        const every = await tx.plans.list(own, { planId: null, states: [] }, { limit: 10, after: null });
        expect(every.map((p) => p.planId)).toEqual(ids);
        const first = every[0];
        expect(
          (
            await tx.plans.list(
              own,
              { planId: null, states: [] },
              { limit: 10, after: [first?.createdMs ?? 0, first?.planId ?? ""] },
            )
          ).map((p) => p.planId),
        ).toEqual(ids.slice(1));
        expect(
          (await tx.plans.list(own, { planId: null, states: ["FAILED", "CANCELLED"] }, { limit: 10, after: null })).map(
            (p) => p.planId,
          ),
        ).toEqual([goals[1]?.planId]);
        expect(
          await tx.plans.list(own, { planId: goals[2]?.planId ?? null, states: [] }, { limit: 10, after: null }),
        ).toHaveLength(1);
      });
    });

    test("ten thousand steps with inputs and edges are inserted, read back and thinned out", async () => {
      const { planId } = await newGoal();
      const rows = Array.from({ length: 10_000 }, (_, i) =>
        aStepRow(planId, i + 1, { hold: { ...NOTHING, tokens: 5 } }),
      );
      const edges = rows
        .slice(1)
        .map((row) => ({ from: row.ordinal - 1, to: row.ordinal, regardless: row.ordinal % 2 === 0 }));
      await inOrg(async (tx) => {
        await locked(tx, planId);
        await tx.plans.addSteps(
          orgId,
          planId,
          rows.map((row) => ({
            row,
            input: row.ordinal % 2 === 0 ? { text: 'j{"a":"\\"x"}', effectiveDigest: "e" } : null,
          })),
          edges,
        );
        await tx.plans.removeEdges(orgId, planId, edges.slice(1));
      });
      const all = await inOrg((tx) => tx.plans.allSteps(orgId, planId));
      expect(all.steps).toEqual(rows);
      expect(all.edges).toEqual(edges.slice(0, 1));
    });

    test("what steps wait for is counted, and the first hundred are named", async () => {
      const { planId } = await newGoal();
      const rows = Array.from({ length: 150 }, (_, i) => aStepRow(planId, i + 1));
      const over = [
        aStepRow(planId, 151, { state: "SUCCEEDED" }),
        aStepRow(planId, 152, { state: "LEASED", sessionId: newId() as SessionId, undoing: true }),
        aStepRow(planId, 153, { state: "STOPPING", sessionId: newId() as SessionId, current: false }),
      ];
      const waiting = [aStepRow(planId, 154), aStepRow(planId, 155), aStepRow(planId, 156)];
      const edge = (from: number, to: number) => ({ from, to, regardless: false });
      await inOrg(async (tx) => {
        await locked(tx, planId);
        await tx.plans.addSteps(
          orgId,
          planId,
          [...rows, ...over, ...waiting].map((row) => ({ row, input: null })),
          [...rows.map((row) => edge(row.ordinal, 154)), edge(151, 154), edge(152, 155), edge(153, 155), edge(1, 156)],
        );
      });
      const before = await inOrg((tx) => tx.plans.unfinishedBefore(orgId, planId, [154, 155, 157]));
      expect([...before.keys()].toSorted()).toEqual([154, 155]);
      expect(before.get(154)).toEqual({
        count: 150,
        keys: rows.slice(0, 100).map((row) => row.key),
        predecessor: null,
      });
      expect(before.get(155)).toEqual({ count: 0, keys: [], predecessor: "STOPS" });
    });

    test("steps are shown with definition, input, last attempt and summed usage; lists filter by state and key", async () => {
      const goal = await newGoal();
      const { planId } = goal;
      const session = newId() as SessionId;
      const rows = [
        aStepRow(planId, 1, { state: "SUCCEEDED", finishedMs: 9 }),
        aStepRow(planId, 2, { state: "LEASED", sessionId: session }),
        aStepRow(planId, 3, { state: "SUCCEEDED", current: false }),
        aStepRow(planId, 4),
      ];
      const last = anAttempt(planId, 1, 12, {
        artifacts: [{ name: "n", uri: "u", digest: "d", sizeBytes: 1, contentType: "t" }],
        logTail: "line",
        usage: { ...NOTHING, tokens: 3 },
      });
      const failed = anAttempt(planId, 1, 11, {
        state: "FAILED",
        outputs: null,
        outputsDigest: "",
        failure: { errorClass: "TRANSIENT", message: "no", details: "{}" },
        bodyDigest: null,
      });
      const undone = anAttempt(planId, 1, 13, { undoing: true });
      await inOrg(async (tx) => {
        await tx.graphs.addVersion(aVersion(goal));
        await tx.graphs.addSteps(
          orgId,
          planId,
          1,
          rows.map((row) => aGraphStep(row.key)),
        );
        const plan = await locked(tx, planId);
        await tx.plans.addSteps(
          orgId,
          planId,
          rows.map((row) => ({ row, input: row.ordinal === 1 ? { text: "j[1]", effectiveDigest: "e" } : null })),
          [],
        );
        await tx.plans.save(changesOf(plan, { attempts: [last, failed, undone] }));
      });
      await inOrg(async (tx) => {
        const views = await tx.plans.listSteps(orgId, planId, { states: [] }, { limit: 10, after: null });
        expect(views.map((v) => v.row)).toEqual([rows[0], rows[1], rows[3]]);
        expect(views[0]).toMatchObject({
          definition: { key: rows[0]?.key },
          input: { kind: "json", text: "[1]" },
          last,
          usage: { ...NOTHING, tokens: 7 },
        });
        expect(views[1]).toMatchObject({ input: null, last: null, usage: NOTHING });
        const keys = async (query: Parameters<Tx["plans"]["listSteps"]>[2], after: string[] | null = null) =>
          (await tx.plans.listSteps(orgId, planId, query, { limit: 10, after })).map((v) => v.row.ordinal);
        expect(await keys({ states: ["LEASED", "PENDING"] })).toEqual([2, 4]);
        expect(await keys({ states: [], unfinishedOnly: true })).toEqual([2, 4]);
        expect(await keys({ states: ["SUCCEEDED", "PENDING"], unfinishedOnly: true })).toEqual([4]);
        expect(await keys({ states: ["SUCCEEDED"], unfinishedOnly: true })).toEqual([]);
        expect(await keys({ states: [], key: rows[3]?.key ?? "" })).toEqual([4]);
        expect(await keys({ states: [] }, [rows[1]?.key ?? ""])).toEqual([4]);
        expect(await tx.plans.listAttempts(orgId, planId, rows[0]?.key ?? "", { limit: 2, after: null })).toEqual([
          failed,
          last,
        ]);
        expect(await tx.plans.listAttempts(orgId, planId, rows[0]?.key ?? "", { limit: 2, after: [1, 12] })).toEqual([
          undone,
        ]);
        expect(await tx.plans.listAttempts(orgId, planId, rows[1]?.key ?? "", { limit: 2, after: null })).toEqual([]);
        expect(await tx.plans.allAttempts(orgId, planId)).toEqual([failed, last, undone]);
      });
    });
  });
});
