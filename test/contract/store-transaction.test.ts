// Transactions of the store: what they see, how they end, and what happens when the database is away.
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OrgId } from "../../src/domain/id.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import type { Client } from "../../src/store/postgres/connection.ts";
import { inTransaction } from "../../src/store/postgres/transaction.ts";
import { CommitUnknownError, StoreUnavailableError } from "../../src/store/ports/store.ts";
import { systemRandom } from "../../src/support/random.ts";
import { asAdmin } from "../support/database.ts";
import { aCharter, addOrg, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  beforeAll(async () => {
    it = await openStore(server, { poolSize: 4 });
  });
  afterAll(() => it.end());

  test("what a transaction wrote is there after it", async () => {
    const { orgId } = await addOrg(it.store);
    const charter = aCharter(orgId);
    await it.store.transaction([orgId], (tx) => tx.charters.add(charter));
    expect(await it.store.transaction([orgId], (tx) => tx.charters.find(orgId, "upkeep"), { readOnly: true })).toEqual(
      charter,
    );
  });

  test("what is thrown rolls back and is thrown again", async () => {
    const { orgId } = await addOrg(it.store);
    const refusal = new Error("no");
    const work = it.store.transaction([orgId], async (tx) => {
      await tx.charters.add(aCharter(orgId));
      throw refusal;
    });
    await expect(work).rejects.toBe(refusal);
    expect(await it.store.transaction([orgId], (tx) => tx.charters.find(orgId, "upkeep"))).toBeUndefined();
  });

  test("a transaction sees only its orgs, and may write only them", async () => {
    const [one, other] = [await addOrg(it.store), await addOrg(it.store)];
    await it.store.transaction([one.orgId], (tx) => tx.charters.add(aCharter(one.orgId)));
    expect(await it.store.transaction([other.orgId], (tx) => tx.charters.find(one.orgId, "upkeep"))).toBeUndefined();
    expect(await it.store.transaction([], (tx) => tx.charters.find(one.orgId, "upkeep"))).toBeUndefined();
    await expect(
      it.store.transaction([other.orgId], (tx) => tx.charters.add(aCharter(one.orgId, "intruder"))),
    ).rejects.toThrow("42501");
    expect(
      await it.store.transaction([one.orgId, other.orgId], (tx) =>
        tx.charters.list(one.orgId, { limit: 10, after: null }),
      ),
    ).toHaveLength(1);
  });

  test("a list of orgs that holds no id shows nothing", async () => {
    const { orgId } = await addOrg(it.store);
    await expect(it.store.transaction(["not-an-id" as OrgId], (tx) => tx.identity.findOrg(orgId))).rejects.toThrow(
      "not the id of an org",
    );
  });

  test("the clock is read once", async () => {
    const [first, second] = await it.store.transaction([], async (tx) => [await tx.nowMs(), await tx.nowMs()]);
    expect(first).toBe(second);
  });

  test("the words of the database reach the log and not the caller", async () => {
    const { orgId } = await addOrg(it.store);
    const charter = aCharter(orgId, "secret-name");
    await it.store.transaction([orgId], (tx) => tx.charters.add(charter));
    const trouble: unknown = await it.store
      .transaction([orgId], (tx) => tx.charters.add(charter))
      .catch((error: unknown) => error);
    expect(trouble).toMatchObject({ code: "23505" });
    expect(JSON.stringify(trouble, Object.getOwnPropertyNames(trouble))).not.toContain("secret-name");
    expect(it.log.join("\n")).toContain("23505");
  });

  test("two transactions that deadlock both succeed, because one is tried again", async () => {
    const { orgId } = await addOrg(it.store);
    let first = 2;
    const gate = Promise.withResolvers<undefined>();
    const run = (names: readonly [string, string]) => {
      let tries = 0;
      return it.store.transaction([orgId], async (tx) => {
        tries++;
        await tx.charters.lockByName(orgId, names[0]);
        // Both hold one lock before either asks for the other.
        if (tries === 1) {
          if (--first === 0) gate.resolve(undefined);
          await gate.promise;
        }
        await tx.charters.lockByName(orgId, names[1]);
        return tries;
      });
    };
    const tries = await Promise.all([run(["a", "b"]), run(["b", "a"])]);
    expect(tries.toSorted()).toEqual([1, 2]);
  });

  test("a call that is called off while it waits for a lock ends with its reason", async () => {
    const { orgId } = await addOrg(it.store);
    const locked = Promise.withResolvers<undefined>();
    const enough = Promise.withResolvers<undefined>();
    const holder = it.store.transaction([orgId], async (tx) => {
      await tx.charters.lockByName(orgId, "contested");
      locked.resolve(undefined);
      await enough.promise;
    });
    await locked.promise;
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const waiter = it.store.transaction([orgId], (tx) => tx.charters.lockByName(orgId, "contested"), {
      signal: controller.signal,
    });
    controller.abort(reason);
    await expect(waiter).rejects.toBe(reason);
    enough.resolve(undefined);
    await holder;
  });

  test("a signal that fires while all connections are lent ends the wait", async () => {
    const enough = Promise.withResolvers<undefined>();
    const holders = Array.from({ length: 4 }, () => it.store.transaction([], () => enough.promise));
    const controller = new AbortController();
    const waiter = it.store.transaction([], (tx) => tx.nowMs(), { signal: controller.signal });
    controller.abort(new Error("too late"));
    await expect(waiter).rejects.toThrow("too late");
    enough.resolve(undefined);
    await Promise.all(holders);
  });

  test("a connection that breaks during work fails the transaction as unavailable, and nothing later runs outside of it", async () => {
    const { orgId } = await addOrg(it.store);
    const work = it.store.transaction([orgId], async (tx) => {
      await tx.charters.add(aCharter(orgId, "before"));
      await endBackends(it);
      await tx.charters.find(orgId, "before").catch(() => undefined);
      await tx.charters.add(aCharter(orgId, "after"));
    });
    await expect(work).rejects.toBeInstanceOf(StoreUnavailableError);
    expect(await it.store.transaction([orgId], (tx) => tx.charters.list(orgId, { limit: 10, after: null }))).toEqual(
      [],
    );
  });

  test("a connection that breaks between work and commit leaves the end unknown", async () => {
    const { orgId } = await addOrg(it.store);
    const work = it.store.transaction([orgId], async (tx) => {
      await tx.charters.add(aCharter(orgId));
      await endBackends(it);
    });
    await expect(work).rejects.toBeInstanceOf(CommitUnknownError);
  });

  test("after all connections broke, and many calls at once found that out, as many as before are lent again", async () => {
    const results = Array.from({ length: 40 }, (_, i) =>
      it.store.transaction([], (tx) => (i === 20 ? endBackends(it).then(() => 0) : tx.nowMs())).catch(() => "failed"),
    );
    await Promise.all(results);
    const enough = Promise.withResolvers<undefined>();
    let open = 0;
    const lent = Promise.withResolvers<undefined>();
    const holders = Array.from({ length: 4 }, () =>
      it.store.transaction([], async (tx) => {
        await tx.nowMs();
        if (++open === 4) lent.resolve(undefined);
        await enough.promise;
      }),
    );
    await lent.promise;
    enough.resolve(undefined);
    await Promise.all(holders);
  });

  test("a database that is away fails all callers quickly, and serves them when it is back", async () => {
    const target = new URL(it.database.url);
    const proxy = await startProxy(Number(target.port === "" ? "5432" : target.port), target.hostname);
    const url = new URL(it.database.url);
    url.host = `127.0.0.1:${String(proxy.port)}`;
    const other = await openStore(server, { url: url.href, poolSize: 3 });
    const callers = () => Array.from({ length: 20 }, () => other.store.transaction([], (tx) => tx.nowMs()));
    await Promise.all(callers());
    await proxy.stop();
    for (const one of await Promise.allSettled(callers())) {
      expect(one).toMatchObject({ status: "rejected", reason: expect.any(StoreUnavailableError) as unknown });
    }
    await proxy.start();
    await Promise.all(callers());
    proxy.silence();
    const silent = await Promise.allSettled(callers());
    expect(silent.every((one) => one.status === "rejected" && one.reason instanceof StoreUnavailableError)).toBe(true);
    await proxy.stop();
    await proxy.start();
    await Promise.all(callers());
    await other.end();
    await proxy.stop();
  });

  test("a closed store refuses, after it let running work end", async () => {
    const other = await openStore(server);
    const enough = Promise.withResolvers<undefined>();
    const begun = Promise.withResolvers<undefined>();
    const running = other.store.transaction([], async (tx) => {
      begun.resolve(undefined);
      await enough.promise;
      return tx.nowMs();
    });
    await begun.promise;
    const closed = other.store.close();
    await expect(other.store.transaction([], (tx) => tx.nowMs())).rejects.toBeInstanceOf(StoreUnavailableError);
    enough.resolve(undefined);
    expect(await running).toBeGreaterThan(0);
    await closed;
    await other.database.drop();
  });

  test("no more callers wait for a connection than the bound", async () => {
    const client = openClient({ url: it.database.url, poolSize: 1, waiters: 1 });
    const held = await client.reserve();
    const second = client.reserve();
    await expect(client.reserve()).rejects.toBeInstanceOf(StoreUnavailableError);
    held.release();
    (await second).release();
    await client.end();
  });

  test("without prepared statements, as behind a pooler, the same calls work", async () => {
    const other = await openStore(server, { prepare: false });
    const { orgId } = await addOrg(other.store);
    await other.store.transaction([orgId], (tx) => tx.charters.add(aCharter(orgId)));
    expect(await other.store.transaction([orgId], (tx) => tx.charters.find(orgId, "upkeep"))).toMatchObject({
      name: "upkeep",
    });
    await other.end();
  });

  test("a connection that cannot be rolled back is lent to nobody again", async () => {
    const client = openClient({ url: it.database.url, poolSize: 1 });
    let discarded = 0;
    const watched: Client = {
      ...client,
      reserve: async (signal) =>
        new Proxy(await client.reserve(signal), {
          get: (connection, name) => {
            if (name === "discard") discarded++;
            return Reflect.get(connection, name) as unknown;
          },
        }),
    };
    const options = { client: watched, random: systemRandom(), prepare: true, lockMs: 1_000, log: () => undefined };
    const work = inTransaction(options, { orgs: [] }, async ({ run }) => {
      await run("SELECT 1");
      await endBackends(it);
      throw new Error("no");
    });
    await expect(work).rejects.toThrow("no");
    expect(discarded).toBe(1);
    await inTransaction(options, { orgs: [] }, ({ run }) => run("SELECT 1"));
    await client.end();
  });
});

/** Ends every connection of the application, as a server that shuts down does. */
async function endBackends({ database }: TestStore): Promise<void> {
  await asAdmin(database.adminUrl, async (sql) => {
    await sql`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`;
  });
}

interface Proxy {
  readonly port: number;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Takes connections and bytes and answers nothing. */
  silence(): void;
}

async function startProxy(port: number, host: string): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let silent = false;
  const make = () =>
    createServer((client) => {
      sockets.add(client);
      client.on("error", () => undefined).on("close", () => sockets.delete(client));
      if (silent) return;
      const upstream = connect(port, host);
      sockets.add(upstream);
      upstream.on("error", () => client.destroy()).on("close", () => client.destroy());
      client.on("close", () => upstream.destroy());
      client.pipe(upstream).pipe(client);
    });
  let server = make();
  const listen = (at: number) => new Promise<void>((resolve) => server.listen(at, "127.0.0.1", resolve));
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: own,
    start: async () => {
      silent = false;
      server = make();
      await listen(own);
    },
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        cut();
      }),
    silence: () => {
      silent = true;
      cut();
    },
  };
}
