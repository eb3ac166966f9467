// Slots that a batch sets free: given away by it, and by nobody else before it is through. Not here: credit in general.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { PlanId } from "../../src/domain/id.ts";
import type { Assignment } from "../../src/domain/outcome.ts";
import type { Taker } from "../../src/dispatch/takers.ts";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { step } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { aPlan, openPlans, openRoom, until } from "./room.ts";
import type { Room } from "./room.ts";

let bench: Bench;
let room: Room;
beforeAll(async () => {
  bench = await openPlans();
});
afterAll(() => bench.end());
afterEach(() => room.end());

/** An executor with one slot, which holds the first step of a plan. */
async function holding(steps: Parameters<typeof aPlan>[1]): Promise<{
  readonly planId: PlanId;
  readonly taker: Taker;
  readonly given: readonly Assignment[];
  readonly first: Assignment;
}> {
  room = await openRoom(bench);
  const planId = await aPlan(bench, steps);
  const { taker, given } = await room.addTaker(1);
  await room.offer(planId);
  await until(() => given.length === 1);
  const [first] = given;
  if (first === undefined) throw new Error("no assignment");
  return { planId, taker, given, first };
}

const keys = (given: readonly { readonly lease: { readonly step: string } }[]): readonly string[] =>
  given.map(({ lease }) => lease.step);

test("the outcome that frees the only slot takes the next step along in its own batch", async () => {
  const { taker, given, first } = await holding([step("a"), step("b", ["a"])]);
  // Nothing older hides in the store.
  for (const window of room.windows.servable(taker.executor, [])) window.incomplete = false;
  let batches = 0;
  room.before = () => {
    batches += 1;
  };
  expect((await room.report(first)).ok).toBe(true);
  await until(() => given.length === 2);
  expect([keys(given), batches]).toEqual([["a", "b"], 1]);
});

test("until that batch is through its slot is nobody else's, and when it is not carried out the lease stands", async () => {
  const { planId: one, taker, given, first } = await holding([step("a")]);
  const decided = Promise.withResolvers<undefined>();
  const goOn = Promise.withResolvers<undefined>();
  let times = 0;
  room.around = async (plans, _, work) => {
    if (!plans.some((plan) => plan.planId === one) || times > 0) return await work();
    times += 1;
    await work();
    decided.resolve(undefined);
    await goOn.promise;
    throw new StoreUnavailableError("planted");
  };
  const two = await aPlan(bench, [step("z")]);
  const reported = room.report(first);
  await decided.promise;
  await room.offer(two);
  await until(() => room.windows.servable(taker.executor, []).some((window) => window.size === 1));
  expect([taker.credit, keys(given)]).toEqual([0, ["a"]]);
  goOn.resolve(undefined);
  expect((await reported).ok).toBe(true);
  await until(() => given.length === 2);
  expect(keys(given)).toEqual(["a", "z"]);
});

test("a report under a wrong name is refused, and the lease that it names is watched as before", async () => {
  const { taker, first } = await holding([step("a")]);
  const wrong = await room.report({ ...first, lease: { ...first.lease, step: "somebody else's" } });
  expect(wrong.ok ? "" : wrong.refusal.reason).toBe("NOT_FOUND");
  expect([room.leases.count(first.executorId), taker.credit]).toEqual([1, 0]);
  expect((await room.report(first)).ok).toBe(true);
});
