// Calls that go through an operation together, on a real store: each has its own decision, key and record, and none pays for another.
// Not here: which calls go together, see groups.test.ts.
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256 } from "../../src/domain/canonical.ts";
import type { RunId, SessionId } from "../../src/domain/id.ts";
import type { Org, Principal } from "../../src/domain/principal.ts";
import type { Decision } from "../../src/domain/refusal.ts";
import type { Run } from "../../src/domain/run.ts";
import { createAccount } from "../../src/engine/account.ts";
import type { EngineCall } from "../../src/engine/call.ts";
import { alone } from "../../src/engine/operation.ts";
import type { GroupOperation } from "../../src/engine/operation.ts";
import { createPipeline } from "../../src/engine/pipeline.ts";
import type { Pipeline, PipelineOptions } from "../../src/engine/pipeline.ts";
import { runCreate } from "../../src/operations/run-create.ts";
import type { RunCreateRequest } from "../../src/operations/run-create.ts";
import { CommitUnknownError } from "../../src/store/ports/store.ts";
import type { Store } from "../../src/store/ports/store.ts";
import { systemClock } from "../../src/support/clock.ts";
import { systemRandom } from "../../src/support/random.ts";
import { addOrg, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

let it: TestStore;
let org: Org;
let admin: postgres.Sql;
const sessionId = newId() as SessionId;

beforeAll(async () => {
  const [server] = servers();
  if (server === undefined) throw new Error("no server to test on");
  it = await openStore(server);
  org = await addOrg(it.store);
  await it.store.platform.openSession(sessionId, "here", "test", 600_000);
  admin = postgres(it.database.adminUrl, { max: 2, onnotice: () => undefined });
});
afterAll(async () => {
  await admin.end();
  await it.end();
});

/** Counts transactions, and may have the next ones come to something else than they did. */
function watched(store: Store): { readonly store: Store; readonly count: () => number; lose(times: number): void } {
  let count = 0;
  let lost = 0;
  const transaction: Store["transaction"] = async (orgs, work, options) => {
    count += 1;
    const result = await store.transaction(orgs, work, options);
    if (lost === 0) return result;
    lost -= 1;
    throw new CommitUnknownError("the connection broke during commit");
  };
  return { store: { ...store, transaction }, count: () => count, lose: (times) => (lost = times) };
}

function pipelineOn(store: Store, more: Partial<PipelineOptions> = {}): Pipeline {
  const principal: Principal = { orgId: org.orgId, name: "alice", grants: ["*"], keyId: null, untilMs: null };
  return createPipeline({
    store,
    clock: systemClock,
    ids: { uuid: newId },
    random: systemRandom(),
    identify: {
      identify: async () => ({ ok: true, value: principal }),
      hold: () => ({ ended: new AbortController().signal, release: () => undefined }),
      end: () => undefined,
      refresh: () => [],
    },
    account: createAccount(),
    admissions: { count: () => undefined, flush: async () => undefined },
    sessionId: () => sessionId,
    storeEpoch: 1,
    keyLifeMs: 3_600_000,
    committed: () => undefined,
    handover: () => ({ reserve: () => [], settle: () => undefined, end: () => undefined }),
    ...more,
  });
}

const METHOD = {
  method: "maestro.conductor.v1.ConductorService/CreateRun",
  parts: [{ operation: "conductor.run.create", capability: "map.maestro.conductor.run.write", writes: true }],
};

interface Said {
  readonly name: string;
  readonly key?: string;
  readonly charter?: string;
  readonly operation?: GroupOperation<RunCreateRequest, Run>;
  readonly signal?: AbortSignal;
}

/** Answers are the run's id and name. */
function create(pipeline: Pipeline, said: Said): Promise<Decision<string>> {
  const { name, key = "", charter = "", operation = runCreate, signal = new AbortController().signal } = said;
  const request: RunCreateRequest = {
    charter,
    draft: {
      name,
      owner: "alice",
      status: null,
      startedMs: null,
      finishedMs: null,
      costEstimate: null,
      costActual: null,
      relatedEntityIds: [],
      relatedDecisionIds: [],
      metadata: "{}",
    },
  };
  const call: EngineCall<RunCreateRequest, Run, string> = {
    method: METHOD,
    caller: { authorization: "", address: "127.0.0.1", forwarded: false },
    decode: () => ({ ok: true, value: request }),
    keyHeader: "",
    keyField: key,
    operation: alone(operation),
    together: { operation, weight: () => 1 },
    traceparent: "",
    signal,
    dryRun: false,
    bodyDigest: () => sha256(Buffer.from(name)),
    answer: (run) => `${run.runId} ${run.name}`,
    encode: (answer) => Buffer.from(answer),
    read: (bytes) => Buffer.from(bytes).toString(),
  };
  return pipeline.run(call);
}

async function named(name: string): Promise<number> {
  const [row] = await admin<{ n: number }[]>`SELECT count(*)::int AS n FROM maestro.runs WHERE name = ${name}`;
  return row?.n ?? 0;
}

interface JournalRow {
  readonly seq: number;
  readonly kind: string;
  readonly body: { readonly name?: string; readonly rule?: string };
}

async function journal(): Promise<readonly JournalRow[]> {
  const rows = await admin<{ seq: string; kind: string; body: string }[]>`
    SELECT seq, kind, body FROM maestro.journal WHERE session_id = ${sessionId} ORDER BY seq`;
  return rows.map(({ seq, kind, body }) => ({ seq: Number(seq), kind, body: JSON.parse(body) as JournalRow["body"] }));
}

function valueOf(decision: Decision<string>): string {
  if (!decision.ok) throw new Error(decision.refusal.explanation);
  return decision.value;
}

test("many calls at once share few transactions; each leaves its run and one record, without a gap", async () => {
  const { store, count } = watched(it.store);
  const pipeline = pipelineOn(store);
  const names = Array.from({ length: 200 }, (_, i) => `many-${String(i)}`);
  const answers = await Promise.all(names.map((name) => create(pipeline, { name })));
  expect(answers.map((answer) => valueOf(answer).split(" ")[1])).toEqual(names);
  expect(count()).toBeLessThan(20);
  const ids = answers.map((answer) => valueOf(answer).split(" ")[0] as RunId);
  const found = await it.store.transaction([org.orgId], (tx) => tx.runs.find(org.orgId, ids));
  expect(found.map((run) => run?.name)).toEqual(names);
  const records = await journal();
  expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
  const told = records.filter(({ kind }) => kind === "conductor.run.create").map(({ body }) => body.name);
  expect(told.filter((name) => name?.startsWith("many-")).sort()).toEqual([...names].sort());
});

test("a refusal among successes has its own record, and changes nothing for the others", async () => {
  const pipeline = pipelineOn(it.store);
  const before = (await journal()).length;
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      create(pipeline, i % 2 === 0 ? { name: "among" } : { name: "among", charter: "no-such" }),
    ),
  );
  expect(answers.map(({ ok }) => ok)).toEqual(answers.map((_, i) => i % 2 === 0));
  expect(await named("among")).toBe(10);
  const records = (await journal()).slice(before);
  expect(records.filter(({ kind }) => kind === "conductor.run.create.refused")).toHaveLength(10);
  const uris = answers.flatMap((answer) => (answer.ok ? [] : [answer.refusal.recordUri ?? ""]));
  expect(new Set(uris).size).toBe(10);
  expect(uris.every((uri) => uri.startsWith("max://record/"))).toBe(true);
});

test("one key twice in a group is one run; another body under it is refused; repeats are answered alike, refusals too", async () => {
  const pipeline = pipelineOn(it.store);
  const say = (name: string, key: string, charter = "") => create(pipeline, { name, key, charter });
  const [first, same, other, another, bad, badAgain] = await Promise.all([
    say("keyed", "k-1"),
    say("keyed", "k-1"),
    say("otherwise", "k-1"),
    say("keyed", "k-2"),
    say("refused", "k-3", "no-such"),
    say("refused", "k-3", "no-such"),
  ]);
  expect(valueOf(same)).toBe(valueOf(first));
  expect(valueOf(another)).not.toBe(valueOf(first));
  expect(other).toMatchObject({ ok: false, refusal: { reason: "IDEMPOTENCY_CONFLICT", metadata: { key: "k-1" } } });
  expect(await named("keyed")).toBe(2);
  expect(await named("otherwise")).toBe(0);
  expect(bad).toMatchObject({ ok: false, refusal: { reason: "NOT_FOUND" } });
  expect(badAgain).toEqual(bad);
  const before = (await journal()).length;
  expect(await say("keyed", "k-1")).toEqual(first);
  expect(await say("refused", "k-3", "no-such")).toEqual(bad);
  expect(await journal()).toHaveLength(before);
});

test("a group that fails is done again call by call: a bug is its own call's alone", async () => {
  const pipeline = pipelineOn(it.store);
  const operation: GroupOperation<RunCreateRequest, Run> = async (tx, calls) => {
    if (calls.some(({ request }) => request.draft.name === "poison")) throw new Error("a bug");
    return runCreate(tx, calls);
  };
  const names = ["well-1", "poison", "well-2"];
  const ends = await Promise.allSettled(names.map((name) => create(pipeline, { name, operation })));
  expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await named("well-1")).toBe(1);
  expect(await named("poison")).toBe(0);
});

test("a commit of which nobody knows is looked up under the key; without one it is told, and nothing is done twice", async () => {
  const { store, lose } = watched(it.store);
  const pipeline = pipelineOn(store);
  lose(1);
  const [keyed, bare] = await Promise.all([
    create(pipeline, { name: "unknown-keyed", key: "k-lost" }),
    create(pipeline, { name: "unknown-bare" }),
  ]);
  expect(valueOf(keyed)).toContain("unknown-keyed");
  expect(await named("unknown-keyed")).toBe(1);
  expect(bare).toMatchObject({ ok: false, refusal: { reason: "UNAVAILABLE", rule: "store.commit" } });
  expect(await named("unknown-bare")).toBe(1);
});

test("a connection that breaks under a group changes nothing and is told to all of it; the next calls go through", async () => {
  const pipeline = pipelineOn(it.store);
  const locked = Promise.withResolvers<undefined>();
  const enough = Promise.withResolvers<undefined>();
  const holder = admin.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(hashtextextended(${`journal ${org.orgId} ${sessionId}`}, 2))`;
    locked.resolve(undefined);
    await enough.promise;
  });
  await locked.promise;
  const gone = new AbortController();
  const calls = [
    create(pipeline, { name: "broken" }),
    create(pipeline, { name: "broken" }),
    create(pipeline, { name: "broken", signal: gone.signal }),
  ];
  const ended = expect(calls[2]).rejects.toThrow("gone");
  const waiting = () => admin<{ pid: number }[]>`
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`;
  await expect.poll(async () => (await waiting()).length, { timeout: 10_000 }).toBeGreaterThan(0);
  gone.abort(new Error("gone"));
  await ended;
  for (const { pid } of await waiting()) await admin`SELECT pg_terminate_backend(${pid})`;
  for (const call of calls.slice(0, 2))
    expect(await call).toMatchObject({ ok: false, refusal: { reason: "UNAVAILABLE", retryable: true } });
  enough.resolve(undefined);
  await holder;
  expect(await named("broken")).toBe(0);
  expect(valueOf(await create(pipeline, { name: "after" }))).toContain("after");
});

test("a caller that goes away while its group commits: what follows the commit happens, and its place is its own until then", async () => {
  const heard: string[] = [];
  const account = createAccount({ calls: 1, callsPerOrg: 1 });
  const pipeline = pipelineOn(it.store, {
    account,
    committed: () => heard.push("committed"),
    handover: () => ({
      reserve: () => [],
      settle: () => void heard.push("settled"),
      end: () => void heard.push("ended"),
    }),
  });
  const operation: GroupOperation<RunCreateRequest, Run> = async (tx, calls) =>
    (await runCreate(tx, calls)).map((decision) =>
      decision.ok
        ? { ok: true, value: { ...decision.value, wake: [], afterCommit: () => void heard.push("after") } }
        : decision,
    );
  const locked = Promise.withResolvers<undefined>();
  const enough = Promise.withResolvers<undefined>();
  const holder = admin.begin(async (tx) => {
    await tx`SELECT pg_advisory_xact_lock(hashtextextended(${`journal ${org.orgId} ${sessionId}`}, 2))`;
    locked.resolve(undefined);
    await enough.promise;
  });
  await locked.promise;
  const gone = new AbortController();
  const ended = expect(create(pipeline, { name: "left", operation, signal: gone.signal })).rejects.toThrow("gone");
  const waiting = () => admin<{ pid: number }[]>`
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`;
  await expect.poll(async () => (await waiting()).length, { timeout: 10_000 }).toBeGreaterThan(0);
  gone.abort(new Error("gone"));
  await ended;
  expect(heard).toEqual([]);
  expect(account.enter(org.orgId)).toMatchObject({ ok: false });
  enough.resolve(undefined);
  await holder;
  await expect.poll(() => heard, { timeout: 10_000 }).toEqual(["after", "settled", "committed", "ended"]);
  expect(await named("left")).toBe(1);
  expect(account.enter(org.orgId)).toMatchObject({ ok: true });
});
