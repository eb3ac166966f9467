// A step of two hours and servers that are replaced by a newer release meanwhile, one after the other and side by side. The hours
// pass on the clocks of database and servers. Not here: servers that are killed, see two-servers.test.ts.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SETTLE_MS } from "../../src/dispatch/upkeep.ts";
import { Executor } from "../../src/executor/executor.ts";
import type { ExecutorEvent, StepContext } from "../../src/executor/executor.ts";
import { uuidOf } from "../../src/support/typeid.ts";
import { setAhead } from "../../src/testing/database.ts";
import { seeingAll } from "../support/audit.ts";
import { Cable } from "../support/cable.ts";
import { nativeClient } from "../support/load/client.ts";
import { step } from "../support/load/shapes.ts";
import { submitPlan } from "../support/load/submit.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { Arena, until } from "./arena.ts";
import { makeRelease } from "./release.ts";

const HALF_HOUR_MS = 1_800_000;
const TWO_HOURS_MS = 4 * HALF_HOUR_MS;
/** How long it takes until the executors of a server that went are sent to another one; well below the life of a session. */
const AWAY_MS = 3_000;
const preload = fileURLToPath(new URL("./wall-clock.ts", import.meta.url));

let arena: Arena;
let clock: postgres.Sql;
let aheadMs = 0;

beforeAll(async () => {
  arena = await Arena.open();
  clock = postgres(arena.url, { max: 1, onnotice: () => undefined, connection: { "maestro.platform": "on" } });
  // The first one is replaced by one whose clock can be moved.
  await arena.server.stop();
  await arena.startServer({ preload });
  const submitter = await arena.startLoad("charter");
  await arena.killLoad(submitter);
});
afterAll(async () => {
  await clock.end();
  await arena.close();
});

function release(version: string): string {
  const folder = join(arena.folder, version);
  mkdirSync(folder);
  return makeRelease(folder, version);
}

async function halfAnHourPasses(...servers: readonly ServerProcess[]): Promise<void> {
  aheadMs += HALF_HOUR_MS;
  // The database first: whoever is woken looks there for what is due.
  await setAhead(clock, aheadMs);
  for (const server of servers) await server.setAhead(aheadMs);
}

/** An executor with a step in hand that lasts until it is told to end. */
async function takeStep(
  name: string,
  target: string,
): Promise<{
  readonly executor: Executor;
  readonly events: ExecutorEvent[];
  readonly contexts: StepContext[];
  readonly planId: string;
  finish(): void;
}> {
  const events: ExecutorEvent[] = [];
  const contexts: StepContext[] = [];
  const done = Promise.withResolvers<void>();
  const observe = (event: ExecutorEvent): void => void events.push(event);
  const executor = new Executor({ url: target, name, apiKey: arena.key, drainOn: [], observe });
  executor.on(name, async (_step, context) => {
    contexts.push(context);
    await done.promise;
    return { done: true };
  });
  await executor.start();
  const client = nativeClient(arena.server.target, arena.key);
  const timeoutS = (2 * TWO_HOURS_MS) / 1_000;
  const planId = await submitPlan(client, name, [step("long", { capability: name, timeoutS })]);
  client.close();
  await until("the step in hand", 10_000, () => contexts.length === 1);
  return { executor, events, contexts, planId, finish: () => done.resolve() };
}

interface Row {
  readonly state: string;
  readonly fencing: string;
  /** Release of the server that has its lease. */
  readonly build: string | null;
  readonly checkpoint: string | null;
}

async function stepOf(planId: string): Promise<Row | undefined> {
  const uuid = uuidOf(planId, "plan") ?? "";
  return await seeingAll(arena.url, async (sql) => {
    const [row] = await sql<Row[]>`
      SELECT s.state, s.fencing, v.build, c.checkpoint FROM maestro.steps s LEFT JOIN maestro.server_sessions v USING (session_id)
      LEFT JOIN maestro.checkpoints c USING (org_id, plan_id, ordinal) WHERE s.plan_id = ${uuid}`;
    return row;
  });
}

/** One attempt, under the number that it began with, of two hours. */
async function expectOneAttempt(
  { events, contexts, planId, finish }: Awaited<ReturnType<typeof takeStep>>,
  fencing: string | undefined,
  build: string,
): Promise<void> {
  expect(await stepOf(planId)).toMatchObject({ state: "LEASED", fencing, build });
  finish();
  await until("the outcome", 10_000, async () => (await stepOf(planId))?.state === "SUCCEEDED");
  const uuid = uuidOf(planId, "plan") ?? "";
  const attempts = await seeingAll(
    arena.url,
    async (sql) =>
      await sql<{ fencing: string; state: string; attempt: number; ms: string }[]>`
      SELECT fencing, state, attempt, ended_ms - leased_ms AS ms FROM maestro.attempts WHERE plan_id = ${uuid}`,
  );
  expect(attempts).toMatchObject([{ fencing, state: "SUCCEEDED", attempt: 1 }]);
  expect(Number(attempts[0]?.ms)).toBeGreaterThanOrEqual(TWO_HOURS_MS);
  expect(contexts).toHaveLength(1);
  expect(events.filter(({ kind }) => kind === "lost" || kind === "stopping" || kind === "outcome refused")).toEqual([]);
}

/** What it tells now arrives with the server that has its lease now. */
async function renews({ contexts, planId }: Awaited<ReturnType<typeof takeStep>>, place: number): Promise<void> {
  contexts[0]?.checkpoint({ place });
  await until("a checkpoint", 20_000, async () => {
    const checkpoint = (await stepOf(planId))?.checkpoint ?? "";
    return checkpoint.includes(`"place":${place}`);
  });
}

test(
  "a step of two hours survives a server that is stopped in order and followed by a newer one",
  { timeout: 60_000 },
  async () => {
    const newer = "99.0.0";
    const long = await takeStep("in-order", arena.server.target);
    const fencing = (await stepOf(long.planId))?.fencing;
    await halfAnHourPasses(arena.server);
    await renews(long, 1);
    await halfAnHourPasses(arena.server);
    await arena.server.stop();
    await halfAnHourPasses();
    await arena.startServer({ preload, release: release(newer) });
    await arena.server.setAhead(aheadMs);
    await until("the executor back", 10_000, async () => (await stepOf(long.planId))?.build === newer);
    await halfAnHourPasses(arena.server);
    await renews(long, 2);
    await expectOneAttempt(long, fencing, newer);
    await long.executor.stop();
  },
);

test(
  "a step of two hours survives a newer server that is started beside the old one, which then goes",
  { timeout: 60_000 },
  async () => {
    const newer = "99.1.0";
    const cable = await Cable.to(arena.server.ports.fast);
    const long = await takeStep("rolling", cable.address);
    const fencing = (await stepOf(long.planId))?.fencing;
    await halfAnHourPasses(arena.server);
    const other = await arena.startAnother({ preload, release: release(newer) });
    const beganMs = performance.now();
    await other.setAhead(aheadMs);
    await halfAnHourPasses(arena.server, other);
    await renews(long, 1);
    // Before that it sweeps nothing that others left.
    await until("a settled server", 30_000, () => performance.now() - beganMs > SETTLE_MS);
    const stopped = arena.server.stop();
    await until("the goodbye", 10_000, () => long.events.some(({ kind }) => kind === "detached"));
    // Until the way to the newer one is known, some seconds pass.
    cable.remove();
    await stopped;
    const goneMs = performance.now();
    await until("some seconds", 10_000, () => performance.now() - goneMs > AWAY_MS);
    cable.targetPort = other.ports.fast;
    await cable.lay();
    await until("the executor at the newer one", 10_000, async () => (await stepOf(long.planId))?.build === newer);
    expect(await stepOf(long.planId)).toMatchObject({ fencing });
    for (let i = 0; i < 2; i++) await halfAnHourPasses(other);
    await renews(long, 2);
    await expectOneAttempt(long, fencing, newer);
    await long.executor.stop();
    cable.remove();
  },
);
