// Submitting plans: charters, backlogs, large graphs in pages. Every write carries a key. Not here: performing them.
import { GraphService } from "../../../gen/maestro/v1/graph_service_pb.ts";
import { MaestroService } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import { codeOf } from "./client.ts";
import type { NativeClient } from "./client.ts";
import type { Journal } from "./journal.ts";
import type { StepInit } from "./shapes.ts";

export const CHARTER = "load";
const LIMIT = 1_000_000_000n;
const budget = {
  currency: "EUR",
  tokens: LIMIT,
  moneyMicros: LIMIT,
  wall: { seconds: 100_000_000n, nanos: 0 },
  energyMillijoules: LIMIT,
};

/** Declares the charter that load runs under: all four dimensions are limited, so that holds are taken and settled. */
export async function declareCharter(client: NativeClient): Promise<void> {
  await client.call(MaestroService.method.declareCharter, {
    name: CHARTER,
    terms: { purpose: "Load", budget },
    idempotencyKey: crypto.randomUUID(),
  });
}

function newGoal(name: string): {
  readonly case: "newGoal";
  readonly value: {
    readonly charter: string;
    readonly spec: { readonly name: string; readonly constraints: { readonly budget: typeof budget } };
  };
} {
  return { case: "newGoal", value: { charter: CHARTER, spec: { name, constraints: { budget } } } };
}

/** UNAVAILABLE and the like: the same call with the same key is made again until it is answered. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      // CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, UNAVAILABLE; a killed server can also leave INTERNAL behind.
      if (![1, 4, 8, 10, 13, 14].includes(codeOf(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Refines and commits in one call. The plan's id. */
export async function submitPlan(
  client: NativeClient,
  name: string,
  steps: StepInit[],
  journal?: Journal,
): Promise<string> {
  const idempotencyKey = crypto.randomUUID();
  const { plan } = await insist(() =>
    client.call(MaestroService.method.plan, { target: newGoal(name), steps, idempotencyKey }, { deadlineMs: 20_000 }),
  );
  const planId = plan?.planId ?? "";
  journal?.write([{ k: "s", t: Date.now(), p: planId }]);
  return planId;
}

/** Refines only. The goal's id. */
export async function refine(client: NativeClient, name: string, steps: StepInit[]): Promise<string> {
  const { goal } = await client.call(MaestroService.method.refineGoal, {
    target: newGoal(name),
    steps,
    idempotencyKey: crypto.randomUUID(),
  });
  return goal?.goalId ?? "";
}

export async function commit(client: NativeClient, goalId: string, version = 1): Promise<void> {
  await client.call(
    MaestroService.method.commitGraph,
    { goalId, version, idempotencyKey: crypto.randomUUID() },
    { deadlineMs: 120_000 },
  );
}

const PAGE = 2_000;

/** A large graph, refined page by page, then committed; both in milliseconds. */
export async function submitLarge(
  client: NativeClient,
  name: string,
  steps: readonly StepInit[],
): Promise<{ readonly refineMs: number; readonly commitMs: number; readonly planId: string }> {
  const beganMs = performance.now();
  const options = { deadlineMs: 120_000 };
  const key = (): string => crypto.randomUUID();
  const first = await client.call(
    MaestroService.method.refineGoal,
    { target: newGoal(name), open: true, steps: steps.slice(0, PAGE), idempotencyKey: key() },
    options,
  );
  const goalId = first.goal?.goalId ?? "";
  const version = first.version?.version ?? 0;
  for (let i = PAGE; i < steps.length; i += PAGE) {
    await client.call(
      GraphService.method.addSteps,
      { goalId, version, steps: steps.slice(i, i + PAGE), idempotencyKey: key() },
      options,
    );
  }
  await client.call(
    MaestroService.method.refineGoal,
    { target: { case: "goalId", value: goalId }, version, idempotencyKey: key() },
    options,
  );
  const refinedMs = performance.now();
  const { plan } = await client.call(
    MaestroService.method.commitGraph,
    { goalId, version, idempotencyKey: crypto.randomUUID() },
    { deadlineMs: 120_000 },
  );
  return { refineMs: refinedMs - beganMs, commitMs: performance.now() - refinedMs, planId: plan?.planId ?? "" };
}

/** Submits `count` plans, so many at a time, in turn over the clients. */
export async function submitMany(
  clients: readonly NativeClient[],
  count: number,
  steps: (index: number) => StepInit[],
  options: { readonly at?: number; readonly journal?: Journal | undefined; readonly signal?: AbortSignal } = {},
): Promise<number> {
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    while (next < count && options.signal?.aborted !== true) {
      const index = next;
      next += 1;
      const client = clients[index % clients.length];
      if (client === undefined) return;
      await submitPlan(client, `load-${index}`, steps(index), options.journal);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: options.at ?? 16 }, worker));
  return done;
}
