// Charters, identity, executors, approvals and the platform in the store.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Approval } from "../../src/domain/approval.ts";
import { demandOf } from "../../src/domain/demand.ts";
import type { ApprovalId, ExecutorId, KeyId, OrgId, SessionId } from "../../src/domain/id.ts";
import type { ApiKey } from "../../src/domain/principal.ts";
import { asAdmin } from "../support/database.ts";
import { aStepRow, changesOf } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  const all = { limit: 100, after: null };
  beforeAll(async () => {
    it = await openStore(server);
  });
  beforeAll(async () => {
    ({ orgId } = await addOrg(it.store));
  });
  afterAll(() => it.end());

  describe("charters", () => {
    test("the newest revision is found by name and id, older ones by number", async () => {
      const first = aCharter(orgId, "revised");
      const second = { ...first, revision: 2, digest: "e".repeat(64) };
      await it.store.transaction([orgId], async (tx) => {
        await tx.charters.add(first);
        await tx.charters.add(second);
        expect(await tx.charters.find(orgId, "revised")).toEqual(second);
        expect(await tx.charters.find(orgId, first.charterId)).toEqual(second);
        expect(await tx.charters.find(orgId, "revised", 1)).toEqual(first);
        expect(await tx.charters.find(orgId, "revised", 3)).toBeUndefined();
        expect(await tx.charters.lockByName(orgId, "revised")).toEqual(second);
      });
    });

    test("of many who declare a new name at once, each sees the revision before its own", async () => {
      const revisions = await Promise.all(
        Array.from({ length: 8 }, () =>
          it.store.transaction([orgId], async (tx) => {
            const before = await tx.charters.lockByName(orgId, "contested");
            const revision = (before?.revision ?? 0) + 1;
            await tx.charters.add(before === undefined ? aCharter(orgId, "contested") : { ...before, revision });
            return revision;
          }),
        ),
      );
      expect(revisions.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });

    test("the list has each name once, in pages", async () => {
      const names = await it.store.transaction([orgId], async (tx) => {
        const first = await tx.charters.list(orgId, { limit: 1, after: null });
        const rest = await tx.charters.list(orgId, { limit: 10, after: [first[0]?.name ?? ""] });
        return [...first, ...rest].map(({ name }) => name);
      });
      expect(names).toEqual(["contested", "revised"]);
    });
  });

  describe("identity", () => {
    test("an org is added once, by whichever org asks, and its name is taken for all", async () => {
      const org = { orgId: newId() as OrgId, name: `new-${newId()}`, createdMs: 5 };
      expect(await it.store.transaction([orgId], (tx) => tx.identity.addOrg(org))).toBe(true);
      expect(await it.store.transaction([], (tx) => tx.identity.addOrg({ ...org, orgId: newId() as OrgId }))).toBe(
        false,
      );
      expect(await it.store.transaction([org.orgId], (tx) => tx.identity.findOrg(org.orgId))).toEqual(org);
      expect(await it.store.platform.ensureOrg({ ...org, orgId: newId() as OrgId })).toEqual(org);
      expect((await it.store.platform.orgs()).map(({ name }) => name)).toContain(org.name);
    });

    test("adding an org opens no door to the others", async () => {
      const other = await addOrg(it.store);
      const seen = await it.store.transaction([orgId], async (tx) => {
        await tx.identity.addOrg({ orgId: newId() as OrgId, name: `door-${newId()}`, createdMs: 5 });
        return tx.identity.findOrg(other.orgId);
      });
      expect(seen).toBeUndefined();
    });

    test("keys are found by their secret's digest without an org, listed newest first, and revoked once", async () => {
      const { orgId: own } = await addOrg(it.store);
      const keys = [1, 2, 3].map((i): ApiKey => ({
        orgId: own,
        keyId: newId() as KeyId,
        principal: "ci",
        grants: ["goal.*", 'odd "one", {x}'],
        createdMs: i,
        expiresMs: i === 1 ? 99 : null,
        revokedMs: null,
      }));
      const digest = (key: ApiKey): Uint8Array => Buffer.from(key.keyId);
      await it.store.transaction([own], async (tx) => {
        for (const key of keys) await tx.identity.addKey(key, digest(key));
      });
      const [first, second, third] = keys as [ApiKey, ApiKey, ApiKey];
      expect(await it.store.platform.findKey(digest(second))).toEqual(second);
      expect(await it.store.platform.findKey(Buffer.from("wrong"))).toBeUndefined();
      const page = await it.store.transaction([own], (tx) => tx.identity.listKeys(own, { limit: 2, after: null }));
      expect(page).toEqual([third, second]);
      expect(
        await it.store.transaction([own], (tx) =>
          tx.identity.listKeys(own, { limit: 2, after: [second.createdMs, second.keyId] }),
        ),
      ).toEqual([first]);
      await it.store.transaction([own], (tx) => tx.identity.revokeKey(own, second.keyId, 1_000));
      await it.store.transaction([own], (tx) => tx.identity.revokeKey(own, second.keyId, 2_000));
      expect(await it.store.transaction([own], (tx) => tx.identity.findKey(own, second.keyId))).toEqual({
        ...second,
        revokedMs: 1_000,
      });
    });
  });

  describe("executors", () => {
    const spec = { name: "worker", capabilities: ["shell", "gpu"], labels: { zone: "a" }, slots: 4, buildId: "b1" };

    test("a second registration under the name renews the spec and keeps id and trust", async () => {
      const [first, second, session] = [newId() as ExecutorId, newId() as ExecutorId, newId() as SessionId];
      await it.store.transaction([orgId], async (tx) => {
        const made = await tx.executors.register(orgId, first, spec, null, 10);
        expect(made).toEqual({
          orgId,
          executorId: first,
          spec,
          state: "ACTIVE",
          trust: 0.5,
          sessionId: null,
          registeredMs: 10,
          lastSeenMs: 10,
        });
        await tx.executors.setTrust(orgId, first, 0.9);
        await tx.executors.setState(orgId, first, "DRAINING");
        const renewed = { ...spec, slots: 8, capabilities: [] };
        expect(await tx.executors.register(orgId, second, renewed, session, 20)).toEqual({
          orgId,
          executorId: first,
          spec: renewed,
          state: "ACTIVE",
          trust: 0.9,
          sessionId: session,
          registeredMs: 10,
          lastSeenMs: 20,
        });
        expect(await tx.executors.register(orgId, second, renewed, undefined, 20)).toMatchObject({
          sessionId: session,
        });
        await tx.executors.seen(orgId, first, 10);
        await tx.executors.setSession(orgId, first, null, newId() as SessionId, 30);
        expect(await tx.executors.find(orgId, first)).toMatchObject({ sessionId: session, lastSeenMs: 20 });
        await tx.executors.setSession(orgId, first, null, session, 30);
        expect(await tx.executors.find(orgId, first)).toMatchObject({ sessionId: null, lastSeenMs: 30 });
        await tx.executors.seen(orgId, first, 35);
        expect(await tx.executors.find(orgId, first)).toMatchObject({ sessionId: null, lastSeenMs: 35 });
        await tx.executors.register(orgId, second, { ...spec, name: "another" }, undefined, 40);
        expect((await tx.executors.list(orgId, { limit: 1, after: ["another"] })).map((e) => e.spec.name)).toEqual([
          "worker",
        ]);
      });
    });

    test("demand classes may be ensured again and again, by many at once", async () => {
      const demands = [demandOf(orgId, "shell", { zone: 'a "quoted" \\', os: "" }, 0.5), demandOf(orgId, "gpu", {}, 0)];
      await Promise.all(
        Array.from({ length: 6 }, (_, i) =>
          it.store.transaction([orgId], (tx) =>
            tx.executors.ensureDemands(i % 2 === 0 ? demands : demands.toReversed()),
          ),
        ),
      );
      const found = await it.store.transaction([orgId], (tx) => tx.executors.demands(orgId));
      expect(found).toHaveLength(2);
      expect(found).toEqual(expect.arrayContaining(demands));
    });
  });

  test("approvals are listed newest first, of one plan, pending ones only", async () => {
    const charter = aCharter(orgId, "approvals");
    const goals = [aGoal(charter), aGoal(charter)];
    const approvals = goals.flatMap((goal, g) =>
      [1, 2].map((i): Approval => ({
        orgId,
        planId: goal.planId,
        approvalId: newId() as ApprovalId,
        subject: "COMMIT",
        ordinal: null,
        step: "",
        version: i,
        digest: "d",
        state: i === 1 ? "PENDING" : "APPROVED",
        question: "May it?",
        requestedBy: "alice",
        requestedMs: 10 * g + i,
        decidedBy: null,
        decidedMs: null,
        comment: "",
        context: "{}",
      })),
    );
    await it.store.transaction([orgId], async (tx) => {
      await tx.charters.add(charter);
      for (const goal of goals) {
        await tx.goals.add(goal);
        const plan = await tx.plans.lock(orgId, goal.planId);
        if (plan === undefined) throw new Error("no plan");
        await tx.plans.save(changesOf(plan, { approvals: approvals.filter((a) => a.planId === goal.planId) }));
      }
      const newestFirst = approvals.toReversed();
      expect(await tx.approvals.list(orgId, { planId: null, pendingOnly: false }, all)).toEqual(newestFirst);
      expect(await tx.approvals.list(orgId, { planId: null, pendingOnly: true }, all)).toEqual(
        newestFirst.filter((a) => a.state === "PENDING"),
      );
      const [one, ...rest] = newestFirst;
      if (one === undefined) throw new Error("no approval");
      expect(
        await tx.approvals.list(
          orgId,
          { planId: null, pendingOnly: false },
          { limit: 10, after: [one.requestedMs, one.approvalId] },
        ),
      ).toEqual(rest);
      expect(await tx.approvals.list(orgId, { planId: one.planId, pendingOnly: false }, all)).toHaveLength(2);
      expect(await tx.approvals.find(orgId, one.approvalId)).toEqual(one);
    });
  });

  describe("standing scans", () => {
    const session = newId() as SessionId;
    const fresh = async () => {
      const { orgId: own } = await addOrg(it.store);
      const goal = aGoal(aCharter(own));
      const demands = [demandOf(own, "shell", {}, 0), demandOf(own, "gpu", {}, 0)] as const;
      await it.store.transaction([own], async (tx) => {
        await tx.goals.add(goal);
        const rows = Array.from({ length: 20 }, (_, i) =>
          aStepRow(
            goal.planId,
            i + 1,
            i < 10
              ? {
                  state: "READY",
                  orderKey: 100 - i,
                  demandId: demands[i % 2]?.demandId ?? demands[0].demandId,
                  readyMs: 1,
                }
              : i === 10
                ? { state: "LEASED", sessionId: session, fencing: 7 }
                : {},
          ),
        );
        await tx.plans.addSteps(
          own,
          goal.planId,
          rows.map((row) => ({ row, input: null })),
          [],
        );
        const plan = await tx.plans.lock(own, goal.planId);
        if (plan === undefined) throw new Error("no plan");
        await tx.plans.save(
          changesOf(
            { ...plan, state: "ACTIVE", committedMs: 1, deadlineMs: 2, stepsRunning: 1 },
            {
              timers: [
                { ordinal: 12, dueMs: 5 },
                { ordinal: 13, dueMs: 9e15 },
              ],
              cascade: { frontier: [1, 2], sweepFrom: null },
            },
          ),
        );
      });
      return { own, planId: goal.planId, demands };
    };

    test("ready steps come per demand class, in order, after a key", async () => {
      const { own, planId, demands } = await fresh();
      const [one, two] = demands;
      const found = await it.store.platform.readySteps(
        [
          { orgId: own, demandId: one.demandId, afterKey: null },
          { orgId: own, demandId: two.demandId, afterKey: 95 },
        ],
        3,
      );
      expect(found.filter((s) => s.demandId === one.demandId).map((s) => s.orderKey)).toEqual([92, 94, 96]);
      expect(found.filter((s) => s.demandId === two.demandId).map((s) => s.orderKey)).toEqual([97, 99]);
      expect(found[0]).toEqual({ orgId: own, demandId: one.demandId, orderKey: 92, planId, ordinal: 9 });
      expect(await it.store.platform.readySteps([], 3)).toEqual([]);
    });

    test("leases of a session are found in however many plans of however many orgs", async () => {
      const own = newId() as SessionId;
      const wanted: string[] = [];
      const orgs = [await addOrg(it.store), await addOrg(it.store), await addOrg(it.store)].map((o) => o.orgId);
      for (const [i, org] of orgs.entries()) {
        const charter = aCharter(org);
        await it.store.transaction([org], async (tx) => {
          await tx.charters.add(charter);
          for (let n = 0; n < 25 * i; n++) {
            const goal = aGoal(charter);
            await tx.goals.add(goal);
            const row = aStepRow(goal.planId, 1, {
              state: "LEASED",
              sessionId: n % 2 === 0 ? own : session,
              fencing: 3,
            });
            await tx.plans.addSteps(org, goal.planId, [{ row, input: null }], []);
            const plan = await tx.plans.lock(org, goal.planId);
            if (plan === undefined) throw new Error("no plan");
            await tx.plans.save(changesOf({ ...plan, state: "ACTIVE", committedMs: 1, stepsRunning: 1 }, {}));
            if (n % 2 === 0) wanted.push(goal.planId);
          }
        });
      }
      const found = await it.store.platform.leasesOfSession(orgs, own);
      expect(found.map((lease) => lease.planId).toSorted()).toEqual(wanted.toSorted());
      expect(found[0]).toMatchObject({ ordinal: 1, fencing: 3 });
    });

    test("leases, timers and cascades are found", async () => {
      const { own, planId } = await fresh();
      const { orgId: stranger } = await addOrg(it.store);
      const ref = { orgId: own, planId };
      expect(await it.store.platform.leasesOfSession([own], session)).toEqual([{ ...ref, ordinal: 11, fencing: 7 }]);
      expect(await it.store.platform.leasesOfSession([stranger], session)).toEqual([]);
      const timers = await it.store.platform.dueTimers(100);
      expect(timers).toContainEqual({ ...ref, ordinal: 12, dueMs: 5 });
      expect(timers).not.toContainEqual(expect.objectContaining({ ...ref, ordinal: 13 }));
      expect(await it.store.platform.openCascades(100)).toContainEqual(ref);
    });

    test("partitions are made ahead of time, once", async () => {
      await it.store.platform.ensurePartitions(5);
      expect(await it.store.platform.ensurePartitions(5)).toBe(0);
      const names = await asAdmin(
        it.database.adminUrl,
        (sql) =>
          sql<
            { n: number }[]
          >`SELECT count(*)::int AS n FROM pg_inherits WHERE inhparent = 'maestro.records'::regclass`,
      );
      // This month, five ahead, and the one for all other plans.
      expect(names[0]?.n).toBe(7);
    });
  });
});
