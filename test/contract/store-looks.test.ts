// What servers ask all the time: the renewal of their session and what comes with it, and whether there is anything to do.
// Not here: how the database carries it out, see store-explain.test.ts.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { demandOf } from "../../src/domain/demand.ts";
import type { ExecutorId, KeyId, OrgId, PlanId, SessionId } from "../../src/domain/id.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import { LOOKS } from "../../src/store/postgres/looks.ts";
import { inOneStatement } from "../../src/store/postgres/statement.ts";
import { inTransaction } from "../../src/store/postgres/transaction.ts";
import { systemRandom } from "../../src/support/random.ts";
import { asAdmin } from "../support/database.ts";
import { aStepRow, changesOf } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

const FOREVER_MS = 60_000;

describe.each(
  servers().flatMap((server) => [
    { name: server.name, server, prepare: true },
    { name: `${server.name}, as behind a pooler`, server, prepare: false },
  ]),
)("on $name", ({ server, prepare }) => {
  let it: TestStore;
  beforeAll(async () => {
    it = await openStore(server, { prepare, poolSize: 1 });
  });
  afterAll(() => it.end());

  const open = async (lifeMs: number): Promise<SessionId> => {
    const session = newId() as SessionId;
    const { expiresMs, nowMs } = await it.store.platform.openSession(session, "host:1", "build", lifeMs);
    expect(expiresMs - nowMs).toBe(lifeMs);
    return session;
  };
  const renew = (session: SessionId, lifeMs = FOREVER_MS, since = 0) =>
    it.store.platform.renewSession(session, lifeMs, since);
  const aPlan = async (orgId: OrgId, steps: number, capabilities: readonly string[]): Promise<PlanId> => {
    const charter = aCharter(orgId, newId());
    const goal = aGoal(charter);
    const demands = capabilities.map((capability) => demandOf(orgId, capability, {}, 0));
    await it.store.transaction([orgId], async (tx) => {
      await tx.charters.add(charter);
      await tx.goals.add(goal);
      await tx.executors.ensureDemands(demands);
      const rows = Array.from({ length: steps }, (_, i) => {
        const demandId = demands[i % demands.length]?.demandId;
        const ready = { state: "READY", orderKey: i, readyMs: 1 } as const;
        return aStepRow(goal.planId, i + 1, demandId === undefined ? {} : { ...ready, demandId });
      });
      await tx.plans.addSteps(
        orgId,
        goal.planId,
        rows.map((row) => ({ row, input: null })),
        [],
      );
    });
    return goal.planId;
  };

  test("a live session is renewed; one that lapsed or ended is not, and is told of from when it lapsed until it is forgotten", async () => {
    const [live, lapsed, ended, ending] = [
      await open(FOREVER_MS),
      await open(0),
      await open(0),
      await open(FOREVER_MS),
    ];
    await it.store.platform.endSession(ended);
    await it.store.platform.endSession(ending);
    const before = await renew(live);
    const after = await renew(live, 2 * FOREVER_MS);
    expect(after.expiresMs).toBe(after.nowMs + 2 * FOREVER_MS);
    expect(after.expiresMs).toBeGreaterThan(before.expiresMs ?? Number.POSITIVE_INFINITY);
    expect(after.lapsed.toSorted()).toEqual([lapsed, ended].toSorted());
    expect(await renew(lapsed), "not told of itself").toMatchObject({ expiresMs: null, lapsed: [ended] });
    expect(await renew(ended)).toMatchObject({ expiresMs: null, lapsed: [lapsed] });
    expect((await renew(ending)).expiresMs).toBeNull();
    await it.store.platform.forgetSession(ending);
    const there = await asAdmin(
      it.database.adminUrl,
      (admin) => admin`SELECT 1 FROM maestro.server_sessions WHERE session_id = ${ending}`,
    );
    expect(there, "its executors have until it lapses to attach elsewhere").toHaveLength(1);

    const { orgId } = await addOrg(it.store);
    const [left, stays] = [newId() as ExecutorId, newId() as ExecutorId];
    const worker = { capabilities: [], labels: {}, slots: 1, buildId: "" };
    await it.store.transaction([orgId], async (tx) => {
      await tx.executors.register(orgId, left, { ...worker, name: "left" }, lapsed, 1);
      await tx.executors.register(orgId, stays, { ...worker, name: "stays" }, live, 1);
    });
    await it.store.platform.forgetSession(lapsed);
    await it.store.platform.forgetSession(live);
    await it.store.transaction([orgId], async (tx) => {
      expect(await tx.executors.find(orgId, left), "attached to nothing").toMatchObject({ sessionId: null });
      expect(await tx.executors.find(orgId, stays)).toMatchObject({ sessionId: live });
    });
    expect(await renew(lapsed), "forgotten, and not brought back by being renewed").toMatchObject({ expiresMs: null });
    expect((await renew(live)).lapsed).toEqual([ended]);
    await it.store.platform.forgetSession(ended);
  });

  test("a session that is forgotten while its renewal waits for it is not renewed", async () => {
    const session = await open(FOREVER_MS);
    await asAdmin(it.database.adminUrl, async (admin) => {
      let renewed: Promise<unknown> | undefined;
      await admin.begin(async (tx) => {
        await tx`DELETE FROM maestro.server_sessions WHERE session_id = ${session}`;
        renewed = renew(session);
        for (let waits = false; !waits;) {
          const rows = await tx`SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
            WHERE NOT l.granted AND a.datname = current_database() AND a.query LIKE '%server_sessions%'`;
          waits = rows.length > 0;
        }
      });
      expect(await renewed).toMatchObject({ expiresMs: null });
      expect(await admin`SELECT 1 FROM maestro.server_sessions WHERE session_id = ${session}`).toHaveLength(0);
    });
  });

  test("a renewal says which installation it is, in which life", async () => {
    const session = newId() as SessionId;
    const { installation } = await it.store.platform.openSession(session, "host:1", "build", FOREVER_MS);
    expect(installation).toEqual({
      installationId: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      storeEpoch: 1,
    });
    expect((await renew(session)).installation).toEqual(installation);
    await asAdmin(it.database.adminUrl, (admin) => admin`UPDATE maestro.installation SET store_epoch = 2`);
    expect((await renew(session)).installation).toEqual({ ...installation, storeEpoch: 2 });
    await asAdmin(it.database.adminUrl, (admin) => admin`UPDATE maestro.installation SET store_epoch = 1`);
  });

  test("a renewal names keys of any org that were revoked since", async () => {
    const session = await open(FOREVER_MS);
    const orgs = [await addOrg(it.store), await addOrg(it.store)].map(({ orgId }) => orgId);
    const keys: KeyId[] = [];
    for (const [i, orgId] of orgs.entries()) {
      const keyId = newId() as KeyId;
      keys.push(keyId);
      await it.store.transaction([orgId], async (tx) => {
        const key = { orgId, principal: "p", grants: ["*"], createdMs: 1, expiresMs: null, revokedMs: null };
        for (const id of [keyId, newId() as KeyId]) await tx.identity.addKey({ ...key, keyId: id }, Buffer.from(id));
        await tx.identity.revokeKey(orgId, keyId, 1_000 + i);
      });
    }
    expect((await renew(session, FOREVER_MS, 1_000)).revoked.toSorted()).toEqual(keys.toSorted());
    expect((await renew(session, FOREVER_MS, 1_001)).revoked).toEqual([keys[1]]);
    expect((await renew(session, FOREVER_MS, 1_002)).revoked).toEqual([]);
  });

  test("a look finds the next backoff, cascades, overdue plans of all orgs, and classes with ready steps of the orgs it names", async () => {
    const idle = await it.store.platform.waiting([]);
    expect(idle).toEqual({ nowMs: idle.nowMs, timerMs: null, cascades: false, overdue: [], ready: [] });
    expect(await it.store.platform.due()).toMatchObject({ timerMs: null, cascades: false });

    const [own, other] = [await addOrg(it.store), await addOrg(it.store)].map(({ orgId }) => orgId);
    if (own === undefined || other === undefined) throw new Error("no org");
    const late = await aPlan(own, 6, ["one", "two", "three"]);
    const waits = await aPlan(other, 3, ["one"]);
    for (const [orgId, planId, deadlineMs] of [
      [own, late, 2],
      [other, waits, idle.nowMs + 3_600_000],
    ] as const) {
      await it.store.transaction([orgId], async (tx) => {
        const plan = await tx.plans.lock(orgId, planId);
        if (plan === undefined) throw new Error("no plan");
        await tx.plans.save(
          changesOf(
            { ...plan, state: "ACTIVE", committedMs: 1, deadlineMs },
            { timers: [{ ordinal: 1, dueMs: deadlineMs + 7 }], cascade: { frontier: [1], sweepFrom: null } },
          ),
        );
      });
    }
    const found = await it.store.platform.waiting([own]);
    expect(found).toMatchObject({ timerMs: 9, cascades: true, overdue: [{ orgId: own, planId: late }] });
    const classes = ["one", "two", "three"].map((name) => ({
      orgId: own,
      demandId: demandOf(own, name, {}, 0).demandId,
    }));
    expect(found.ready.toSorted(byDemand)).toEqual(classes.toSorted(byDemand));
    expect((await it.store.platform.waiting([other, own])).ready).toHaveLength(4);
    expect(await it.store.platform.due()).toMatchObject({ timerMs: 9, cascades: true });
  });

  test("what a look may see is gone for the next transaction on its connection", async () => {
    const { orgId } = await addOrg(it.store);
    const client = openClient({ url: it.database.url, poolSize: 1, prepare });
    const options = { client, random: systemRandom(), prepare, lockMs: 3_000, log: () => undefined };
    const seen =
      " SELECT count(o.org_id)::int AS orgs FROM see CROSS JOIN LATERAL (SELECT org_id FROM maestro.orgs WHERE see.platform = 'on' OFFSET 0) o";
    expect((await inOneStatement<{ orgs: number }>(options, seen))[0]?.orgs).toBeGreaterThan(0);
    await inOneStatement(options, LOOKS.waiting, [`{${orgId}}`, 1]);
    const [row] = await inTransaction(options, { orgs: [] }, ({ run }) =>
      run<{ orgs: number }>("SELECT count(*)::int AS orgs FROM maestro.orgs"),
    );
    expect(row?.orgs).toBe(0);
    await client.end();
  });
});

const byDemand = (a: { readonly demandId: string }, b: { readonly demandId: string }): number =>
  a.demandId < b.demandId ? -1 : 1;
