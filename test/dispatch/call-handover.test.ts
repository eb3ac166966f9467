// What a call reserves: once for a step, however often its transaction is tried, and given back when nothing came of it.
import { expect, test } from "vitest";
import type { Executor } from "../../src/domain/executor.ts";
import { demandOf } from "../../src/domain/demand.ts";
import type { ExecutorId, OrgId, PlanId, SessionId } from "../../src/domain/id.ts";
import { CallHandover } from "../../src/dispatch/call-handover.ts";
import type { Item } from "../../src/dispatch/items.ts";
import { Taker, Takers } from "../../src/dispatch/takers.ts";
import { Windows } from "../../src/dispatch/windows.ts";

const orgId = "00000000-0000-7000-8000-000000000001" as OrgId;
const planId = "00000000-0000-7000-8000-000000000002" as PlanId;
const demand = demandOf(orgId, "shell", {}, 0);
const step = (ordinal: number) => ({ orgId, planId, ordinal, demandId: demand.demandId, orderKey: 1 });

function room(slots: number) {
  const windows = new Windows();
  windows.learn([demand]);
  const window = windows.get(demand.demandId);
  if (window === undefined) throw new Error("no window");
  window.incomplete = false;
  const executor: Executor = {
    orgId,
    executorId: "00000000-0000-7000-8000-000000000003" as ExecutorId,
    spec: { name: "one", capabilities: ["shell"], labels: {}, slots, buildId: "" },
    state: "ACTIVE",
    trust: 1,
    sessionId: null,
    registeredMs: 0,
    lastSeenMs: 0,
  };
  const taker = new Taker(executor, {
    capacity: () => slots,
    leaseMs: null,
    capabilities: [],
    deliver: () => undefined,
  });
  const takers = new Takers();
  takers.add(taker);
  const asked: Item[] = [];
  const handover = new CallHandover({
    orgId,
    windows,
    takers,
    session: { id: "00000000-0000-7000-8000-000000000004" as SessionId, mayCommit: () => true },
    batcher: { push: (item) => void asked.push(item), isAside: () => false },
    isDraining: () => false,
    follow: () => undefined,
  });
  return { taker, handover, asked };
}

test("a transaction that is tried again reserves nothing twice", () => {
  const { taker, handover, asked } = room(2);
  expect(handover.reserve([step(1), step(2), step(3)]).map((claim) => claim.ordinal)).toEqual([1, 2]);
  expect(handover.reserve([step(1), step(2), step(3)]).map((claim) => claim.ordinal)).toEqual([1, 2]);
  expect(taker.reserved).toBe(2);
  handover.end();
  expect(asked.map((item) => [item.kind, item.again])).toEqual([
    ["claim", true],
    ["claim", true],
  ]);
});

test("nothing is reserved of an executor without a free slot", () => {
  const { taker, handover, asked } = room(0);
  expect(handover.reserve([step(1)])).toEqual([]);
  expect(taker.reserved).toBe(0);
  handover.end();
  expect(asked).toEqual([]);
});
