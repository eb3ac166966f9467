// Transactions that stand in each other's way: waiting for rows, and for connections. Not here: deadlocks and called-off waits,
// see store-transaction.test.ts.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBatchStore } from "../../src/store/postgres/batches.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import { createTurns } from "../../src/store/postgres/turns.ts";
import { BatchContendedError } from "../../src/store/ports/batches.ts";
import { StoreBusyError } from "../../src/store/ports/store.ts";
import { aCharter, addOrg, aGoal, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  beforeAll(async () => {
    it = await openStore(server, { poolSize: 4 });
  });
  afterAll(() => it.end());

  test("a batch behind a pooler waits for a locked plan no longer than it may", async () => {
    const { orgId } = await addOrg(it.store);
    const charter = aCharter(orgId);
    const goal = aGoal(charter);
    const locked = Promise.withResolvers<undefined>();
    const enough = Promise.withResolvers<undefined>();
    await it.store.transaction([orgId], async (tx) => {
      await tx.charters.add(charter);
      await tx.goals.add(goal);
    });
    const holder = it.store.transaction([orgId], async (tx) => {
      await tx.plans.lock(orgId, goal.planId);
      locked.resolve(undefined);
      await enough.promise;
    });
    await locked.promise;
    const client = openClient({ url: it.database.url, poolSize: 1, prepare: false });
    const batches = createBatchStore(client, { prepare: false, lockMs: 100 });
    const plan = { orgId, planId: goal.planId, ordinals: [], childrenOf: [] };
    const late = batches.run([plan], () => ({ kind: "nothing" }), { wait: true });
    await expect(late).rejects.toThrow(BatchContendedError);
    await expect(late).rejects.toThrow("55P03");
    enough.resolve(undefined);
    await holder;
    await client.end();
  });

  test("an org has half of the connections at most, and other orgs the rest", async () => {
    const [one, other] = [await addOrg(it.store), await addOrg(it.store)];
    const enough = Promise.withResolvers<undefined>();
    let open = 0;
    const inTurn = { inTurn: true };
    const holders = Array.from({ length: 4 }, () =>
      it.store.transaction(
        [one.orgId],
        async (tx) => {
          await tx.nowMs();
          open++;
          await enough.promise;
        },
        inTurn,
      ),
    );
    await expect.poll(() => open).toBe(2);
    await it.store.transaction([other.orgId], (tx) => tx.nowMs(), inTurn);
    const controller = new AbortController();
    const waiter = it.store.transaction([one.orgId], (tx) => tx.nowMs(), { ...inTurn, signal: controller.signal });
    controller.abort(new Error("too late"));
    await expect(waiter).rejects.toThrow("too late");
    expect(open).toBe(2);
    enough.resolve(undefined);
    await Promise.all(holders);
    expect(open).toBe(4);
    await it.store.transaction([one.orgId], (tx) => tx.nowMs(), inTurn);
  });

  test("whoever waits too long for a locked row hears that the store is busy", async () => {
    const { orgId } = await addOrg(it.store);
    const turns = createTurns({ each: 1, waitMs: 20 });
    const end = await turns.take(orgId);
    await expect(turns.take(orgId)).rejects.toBeInstanceOf(StoreBusyError);
    end();
    (await turns.take(orgId))();
    const locked = Promise.withResolvers<undefined>();
    const enough = Promise.withResolvers<undefined>();
    const holder = it.store.transaction([orgId], async (tx) => {
      await tx.charters.lockByName(orgId, "long");
      locked.resolve(undefined);
      await enough.promise;
    });
    await locked.promise;
    await expect(it.store.transaction([orgId], (tx) => tx.charters.lockByName(orgId, "long"))).rejects.toBeInstanceOf(
      StoreBusyError,
    );
    enough.resolve(undefined);
    await holder;
  });
});
