// The batch of the service in process: the real store and the real decisions, two writers, no calls, no streams, no queues.
// What dispatch and transport add is the difference to the figure over the stream. Not here: filling the database.
import { createHash } from "node:crypto";
import postgres from "postgres";
import { NOTHING } from "../../src/domain/amounts.ts";
import type { ExecutorId, OrgId, PlanId, SessionId } from "../../src/domain/id.ts";
import type { Outcome } from "../../src/domain/outcome.ts";
import { readySteps } from "../../src/domain/plan/decide.ts";
import { PlanDraft } from "../../src/domain/plan/draft.ts";
import type { DecideContext } from "../../src/domain/plan/draft.ts";
import { claim } from "../../src/domain/plan/lease.ts";
import { report } from "../../src/domain/plan/report.ts";
import { MissingRows } from "../../src/domain/plan/slice.ts";
import { createBatchStore } from "../../src/store/postgres/batches.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import type { BatchPlan, BatchStore, PlanVerdict } from "../../src/store/ports/batches.ts";
import { systemRandom } from "../../src/support/random.ts";
import { uuidv7 } from "../../src/support/typeid.ts";
import { json200 } from "../support/load/shapes.ts";

const BATCH = 128;
const WRITERS = 2;
const OUTPUT = json200("done");
const DIGEST = createHash("sha256").update(OUTPUT).digest();
const EXECUTOR = "00000000-0000-7000-8000-000000000001" as ExecutorId;
const SESSION = "00000000-0000-7000-8000-000000000002" as SessionId;

interface Todo {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  readonly ordinal: number;
  /** Set once it is leased: then it is reported. */
  readonly lease?: { readonly key: string; readonly fencing: number };
}

/** Steps a second, of the median window; zero when nothing was ready. */
export async function shapeCeiling(
  url: string,
  seconds: number,
  windows: number,
): Promise<{ readonly best: number; readonly windows: readonly number[] }> {
  const client = openClient({ url, poolSize: WRITERS });
  const store = createBatchStore(client);
  const queue = await readyIn(url);
  const leased: Todo[] = [];
  const busy = new Set<PlanId>();
  let done = 0;
  let stopped = false;
  const writer = async (): Promise<void> => {
    while (!stopped) {
      const items = [...take(leased, BATCH, busy), ...take(queue, BATCH, busy)].slice(0, 2 * BATCH);
      if (items.length === 0) {
        if (busy.size === 0) return;
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const plans = new Set(items.map((item) => item.planId));
      for (const planId of plans) busy.add(planId);
      const result = await carryOut(store, items);
      for (const planId of plans) busy.delete(planId);
      done += result.reported;
      leased.push(...result.leased);
      queue.unshift(...result.ready);
    }
  };
  const writers = Array.from({ length: WRITERS }, writer);
  const rates: number[] = [];
  try {
    // Until the code is compiled as it will be from then on.
    await pause(3_000);
    for (let i = 0; i < windows; i++) {
      const before = done;
      const beganMs = performance.now();
      await pause(seconds * 1_000);
      if (queue.length > 0) rates.push(((done - before) * 1_000) / (performance.now() - beganMs));
    }
  } finally {
    stopped = true;
    await Promise.all(writers);
    await client.end();
  }
  return { best: [...rates].sort((a, b) => a - b)[rates.length >> 1] ?? 0, windows: rates };
}

function take(list: Todo[], limit: number, busy: ReadonlySet<PlanId>): Todo[] {
  const taken: Todo[] = [];
  const left: Todo[] = [];
  let looked = 0;
  for (; looked < list.length && taken.length < limit && left.length < limit; looked++) {
    const item = list[looked];
    if (item === undefined) continue;
    if (busy.has(item.planId)) left.push(item);
    else taken.push(item);
  }
  list.splice(0, looked, ...left);
  return taken;
}

const random = systemRandom();
const contextAt = (nowMs: number): DecideContext => ({
  nowMs,
  storeEpoch: 1,
  actor: "bench",
  stages: null,
  newId: () => uuidv7(Date.now(), random.bytes(10)),
  salts: (count) => random.bytes(count),
  fraction: () => random.fraction(),
});

interface Share {
  readonly reported: number;
  readonly leased: readonly Todo[];
  readonly ready: readonly Todo[];
}

async function carryOut(store: BatchStore, items: readonly Todo[]): Promise<Share> {
  const byPlan = new Map<PlanId, Todo[]>();
  for (const item of items) {
    const list = byPlan.get(item.planId);
    if (list === undefined) byPlan.set(item.planId, [item]);
    else list.push(item);
  }
  const plans: BatchPlan[] = [...byPlan].map(([planId, list]) => ({
    orgId: (list[0] as Todo).orgId,
    planId,
    ordinals: list.map((i) => i.ordinal),
    childrenOf: list.filter((i) => i.lease !== undefined).map((i) => i.ordinal),
  }));
  const shares = new Map<PlanId, Share>();
  await store.run(
    plans,
    (slice, nowMs): PlanVerdict => {
      const { planId, orgId } = slice.plan;
      const draft = new PlanDraft(slice, contextAt(nowMs));
      const leased: Todo[] = [];
      const grant = (ordinal: number): void => {
        const row = claim(draft, { ordinal, executorId: EXECUTOR, sessionId: SESSION, leaseMs: null });
        if (row !== undefined) leased.push({ orgId, planId, ordinal, lease: { key: row.key, fencing: row.fencing } });
      };
      try {
        let reported = 0;
        for (const { ordinal, lease } of byPlan.get(planId) ?? []) {
          if (lease === undefined) grant(ordinal);
          else if (report(draft, outcomeOf(planId, ordinal, lease), EXECUTOR).ok) reported += 1;
        }
        // What becomes ready is handed over in the same transaction.
        for (const { ordinal } of readySteps(draft)) grant(ordinal);
        shares.set(planId, {
          reported,
          leased,
          ready: readySteps(draft).map((s) => ({ orgId, planId, ordinal: s.ordinal })),
        });
      } catch (error) {
        if (error instanceof MissingRows) return { kind: "needs", needs: error.needs };
        throw error;
      }
      return {
        kind: "changes",
        changes: draft.changes(),
        leased: leased.map(({ ordinal }) => ({ orgId, planId, ordinal, undoing: false, again: false })),
      };
    },
    { wait: true },
  );
  const all = [...shares.values()];
  return {
    reported: all.reduce((n, s) => n + s.reported, 0),
    leased: all.flatMap((s) => s.leased),
    ready: all.flatMap((s) => s.ready),
  };
}

function outcomeOf(
  planId: PlanId,
  ordinal: number,
  lease: { readonly key: string; readonly fencing: number },
): Outcome {
  return {
    lease: { planId, step: lease.key, ordinal, fencing: lease.fencing },
    result: { kind: "success", outputs: { kind: "json", text: OUTPUT }, outputsDigest: DIGEST.toString("hex") },
    usage: NOTHING,
    artifacts: [],
    bodyDigest: DIGEST.toString("hex"),
    logTail: "",
  };
}

async function readyIn(url: string): Promise<Todo[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return await sql.begin(async (tx) => {
      await tx`SELECT set_config('maestro.platform', 'on', true)`;
      const orgs = await tx<{ org_id: string }[]>`SELECT org_id FROM maestro.orgs`;
      await tx`SELECT set_config('maestro.orgs', ${`{${orgs.map((o) => o.org_id).join(",")}}`}, true)`;
      const rows = await tx<
        { org_id: OrgId; plan_id: PlanId; ordinal: number }[]
      >`SELECT org_id, plan_id, ordinal FROM maestro.steps WHERE order_key IS NOT NULL ORDER BY order_key`;
      return rows.map((row) => ({ orgId: row.org_id, planId: row.plan_id, ordinal: row.ordinal }));
    });
  } finally {
    await sql.end();
  }
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
