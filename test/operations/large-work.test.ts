// Large computations: how many calls hold a transaction while they wait for one, and that credit is traced without one.
// Not here: the computations.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { OrgId, SessionId } from "../../src/domain/id.ts";
import { decided } from "../../src/domain/refusal.ts";
import type { Decision } from "../../src/domain/refusal.ts";
import { createAccount } from "../../src/engine/account.ts";
import { createAdmissions } from "../../src/engine/admissions.ts";
import { createIdentify } from "../../src/engine/identify.ts";
import { createLargeWorkPlaces } from "../../src/engine/large-work.ts";
import type { Operation } from "../../src/engine/operation.ts";
import { createPipeline } from "../../src/engine/pipeline.ts";
import { read } from "../../src/operations/done.ts";
import { systemClock } from "../../src/support/clock.ts";
import { systemRandom } from "../../src/support/random.ts";
import { asAdmin } from "../support/database.ts";
import { addOrg, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

let it: TestStore;
beforeAll(async () => {
  const [server] = servers();
  if (server === undefined) throw new Error("no server to test on");
  it = await openStore(server);
});
afterAll(() => it.end());

/** Calls an operation as a principal of the org, through all stages. */
function callerOf(orgId: OrgId): (operation: Operation<null, string>) => Promise<Decision<string>> {
  const { store } = it;
  const sessionId = newId() as SessionId;
  const local = { orgId, name: "local", grants: ["*"], keyId: null, untilMs: null };
  const run = pipelines(local, sessionId);
  return (operation) =>
    run({
      method: { method: "test", parts: [{ operation: "test", capability: "test", writes: false }] },
      caller: { authorization: "", address: "127.0.0.1", forwarded: false },
      decode: () => decided(null),
      keyHeader: "",
      keyField: "",
      operation,
      traceparent: "",
      signal: AbortSignal.timeout(20_000),
      dryRun: false,
      bodyDigest: () => new Uint8Array(),
      answer: (text: string) => text,
      encode: (text) => Buffer.from(text),
      read: (bytes) => Buffer.from(bytes).toString(),
    });

  function pipelines(principal: typeof local, session: SessionId) {
    return createPipeline({
      store,
      clock: systemClock,
      ids: { uuid: newId },
      random: systemRandom(),
      identify: createIdentify({ platform: store.platform, clock: systemClock, local: principal }),
      account: createAccount(),
      admissions: createAdmissions(store, () => session, orgId),
      sessionId: () => session,
      storeEpoch: 1,
      keyLifeMs: 1_000,
      committed: () => undefined,
      handover: () => ({ reserve: () => [], settle: () => undefined, end: () => undefined }),
    }).run;
  }
}

const inTransaction = (): Promise<number> =>
  asAdmin(it.database.adminUrl, async (sql) => {
    const [row] = await sql<{ n: number }[]>`
      SELECT count(*)::int AS n FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'maestro' AND state LIKE 'idle in transaction%'`;
    return row?.n ?? 0;
  });

test("no more than two calls of an org keep a transaction open for large work; the others wait without one", async () => {
  const call = callerOf((await addOrg(it.store)).orgId);
  const enough = Promise.withResolvers<undefined>();
  let working = 0;
  let most = 0;
  let tries = 0;
  const large: Operation<null, string> = async (tx, _, { largeWork }) => {
    await tx.nowMs();
    tries++;
    largeWork.begin();
    most = Math.max(most, ++working);
    await enough.promise;
    // A second computation of the same call has its place already.
    largeWork.begin();
    working--;
    return read("done");
  };
  const calls = Array.from({ length: 10 }, () => call(large));
  await expect.poll(() => tries).toBe(10);
  await expect.poll(inTransaction).toBe(2);
  expect(await call(async (tx) => read(String((await tx.nowMs()) > 0)))).toEqual({ ok: true, value: "true" });
  enough.resolve(undefined);
  expect(await Promise.all(calls)).toEqual(Array.from({ length: 10 }, () => ({ ok: true, value: "done" })));
  expect(most).toBe(2);
  expect(tries).toBe(18);
});

test("what is worked out later has no transaction open meanwhile", async () => {
  const call = callerOf((await addOrg(it.store)).orgId);
  const counted = await call(async (tx, _, { largeWork }) => {
    const before = await tx.nowMs();
    return decided({
      later: async () => {
        largeWork.begin();
        return decided(`${String(before > 0)} ${String(await inTransaction())}`);
      },
    });
  });
  expect(counted).toEqual({ ok: true, value: "true 0" });
});

test("an org with its share is passed over, and more than may wait are refused", async () => {
  const [busy, other] = [newId() as OrgId, newId() as OrgId];
  const places = createLargeWorkPlaces({ calls: 2, callsPerOrg: 1, waiting: 1 });
  const { signal } = new AbortController();
  const one = places(busy, signal);
  one.begin();
  const two = places(busy, signal);
  const gone = new AbortController();
  const calledOff = places(busy, gone.signal);
  const beginning = (call: typeof one): Promise<string> =>
    call.run(async () => {
      call.begin();
      return Promise.resolve("begun");
    });
  const off = beginning(calledOff);
  gone.abort(new Error("too late"));
  await expect(off).rejects.toThrow("too late");
  const waiting = beginning(two);
  expect(await beginning(places(other, signal))).toBe("begun");
  await expect(beginning(places(busy, signal))).rejects.toMatchObject({
    refusal: { reason: "OVERLOADED", rule: "analysis.queue", retryable: true, metadata: { limit: "1" } },
  });
  one.end();
  expect(await waiting).toBe("begun");
});
