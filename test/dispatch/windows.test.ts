// Windows and queues: order, bounds, fairness. Pure memory; the store is not involved.
import { describe, expect, it } from "vitest";
import { ItemQueue } from "../../src/dispatch/queue.ts";
import type { Item } from "../../src/dispatch/items.ts";
import { Window, WINDOW_LIMIT } from "../../src/dispatch/window.ts";
import type { DemandId, OrgId, PlanId, ReadyStep } from "../../src/domain/id.ts";

const org = (n: number): OrgId => `00000000-0000-0000-0000-${String(n).padStart(12, "0")}` as OrgId;
const plan = (n: number): PlanId => `10000000-0000-0000-0000-${String(n).padStart(12, "0")}` as PlanId;
const demand = "20000000-0000-0000-0000-000000000001" as DemandId;
const ready = (n: number, orderKey: number): ReadyStep => ({
  orgId: org(1),
  planId: plan(n),
  ordinal: 1,
  demandId: demand,
  orderKey,
});
const item = (orgN: number, planN: number): Item => ({
  kind: "wake",
  orgId: org(orgN),
  planId: plan(planN),
  deferrals: 0,
  ordinal: 1,
});

describe("a window", () => {
  it("gives steps by order key, whatever the order they came in", () => {
    const window = new Window(org(1), demand);
    const keys = [5, 3, 9, 1, 7, 2, 8, 6, 4, 0];
    for (const key of keys) window.offer(ready(key, key));
    const taken = keys.map(() => window.take()?.orderKey);
    expect(taken).toEqual([...keys].sort((a, b) => a - b));
    expect(window.take()).toBeUndefined();
  });

  it("holds a step once, and takes it again after it was taken", () => {
    const window = new Window(org(1), demand);
    window.offer(ready(1, 1));
    window.offer(ready(1, 1));
    expect(window.size).toBe(1);
    window.take();
    window.offer(ready(1, 2));
    expect(window.size).toBe(1);
  });

  it("that is full still takes what is older than something it holds, up to twice as many", () => {
    const window = new Window(org(1), demand);
    for (let n = 0; n < WINDOW_LIMIT; n++) window.offer(ready(n, 1_000_000 + n));
    window.offer(ready(WINDOW_LIMIT, 2_000_000));
    expect([window.size, window.head()?.orderKey]).toEqual([WINDOW_LIMIT, 1_000_000]);
    for (let n = 1; n <= 2 * WINDOW_LIMIT; n++) window.offer(ready(WINDOW_LIMIT + n, 10 * WINDOW_LIMIT - n));
    expect([window.size, window.head()?.orderKey]).toEqual([2 * WINDOW_LIMIT, 9 * WINDOW_LIMIT]);
  });

  it("gives steps of one plan and of others by order key, whatever was offered between", () => {
    const window = new Window(org(1), demand);
    const steps = Array.from({ length: 300 }, (_, i) => ({ ...ready(i % 7, (i * 7_919) % 301), ordinal: i }));
    const taken: number[] = [];
    for (const [i, step] of steps.entries()) {
      window.offer(step);
      if (i % 3 === 2) taken.push(window.take()?.orderKey ?? Number.NaN);
    }
    const rest = Array.from({ length: 200 }, () => window.take()?.orderKey ?? Number.NaN);
    expect(rest).toEqual([...rest].sort((a, b) => a - b));
    expect([...taken, ...rest].sort((a, b) => a - b)).toEqual(steps.map((s) => s.orderKey).sort((a, b) => a - b));
    expect(window.size).toBe(0);
  });

  it("sets a plan aside with all its steps, and knows them again afterwards", () => {
    const window = new Window(org(1), demand);
    for (let ordinal = 1; ordinal <= 3; ordinal++) window.offer({ ...ready(1, ordinal), ordinal });
    window.offer(ready(2, 50));
    window.setAside();
    expect(window.head()?.planId).toBe(plan(2));
    expect(window.take()?.planId).toBe(plan(2));
    expect(window.head()).toBeUndefined();
    window.offer({ ...ready(1, 2), ordinal: 2 });
    window.restore();
    expect([window.take(), window.take(), window.take(), window.take()].map((s) => s?.orderKey)).toEqual([
      1,
      2,
      3,
      undefined,
    ]);
  });

  it("remembers that there is more when it is full", () => {
    const window = new Window(org(1), demand);
    window.incomplete = false;
    for (let i = 0; i < WINDOW_LIMIT; i++) window.offer(ready(i, i));
    expect(window.incomplete).toBe(false);
    window.offer(ready(WINDOW_LIMIT, WINDOW_LIMIT));
    expect(window.incomplete).toBe(true);
    expect(window.size).toBe(WINDOW_LIMIT);
  });
});

describe("the queue of items", () => {
  it("gives an org with little work its turn beside one with much", () => {
    const queue = new ItemQueue();
    for (let i = 0; i < 1_000; i++) queue.push(item(1, i));
    queue.push(item(2, 5_000));
    const taken = queue.take(32, new Set());
    expect(taken.filter((i) => i.orgId === org(2))).toHaveLength(1);
    expect(taken).toHaveLength(32);
  });

  it("passes over plans that are in a batch, and keeps their items in order", () => {
    const queue = new ItemQueue();
    const first = item(1, 1);
    const second = { ...item(1, 1), ordinal: 2 };
    queue.push(first);
    queue.push(item(1, 2));
    queue.push(second);
    expect(queue.take(10, new Set([plan(1)])).map((i) => i.planId)).toEqual([plan(2)]);
    expect(queue.take(10, new Set())).toEqual([first, second]);
    expect(queue.size).toBe(0);
  });

  it("puts back what a batch could not carry out, before what came later", () => {
    const queue = new ItemQueue();
    queue.push(item(1, 3));
    queue.unshift([item(1, 1)]);
    expect(queue.take(10, new Set()).map((i) => i.planId)).toEqual([plan(1), plan(3)]);
  });

  it("puts several back in the order they came in", () => {
    const queue = new ItemQueue();
    const [first, second, third] = [item(1, 1), item(1, 2), item(1, 3)];
    for (const one of [first, second]) queue.push(one);
    const taken = queue.take(10, new Set());
    queue.push(third);
    queue.unshift(taken);
    expect(queue.size).toBe(3);
    expect(queue.take(10, new Set())).toEqual([first, second, third]);
    expect(queue.size).toBe(0);
  });
});
