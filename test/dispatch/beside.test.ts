// When a second batch begins beside one that is under way, on a real store. Not here: what batches do, see batcher.test.ts.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Assignment } from "../../src/domain/outcome.ts";
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

/** As if no time went by. */
const still = { monotonicMs: () => 0 };

/** Leased steps, each of a plan of its own: what one batch is busy with keeps nothing else of them waiting. */
async function leased(count: number): Promise<readonly Assignment[]> {
  const { given } = await room.addTaker(count);
  for (let i = 0; i < count; i++) await room.offer(await aPlan(bench, [step("s")]));
  await until(() => given.length === count);
  return given;
}

/** Batches by the number of their plans; the first does not end before it is let go. */
function holdFirst(): { readonly begun: number[]; readonly letGo: () => void } {
  const begun: number[] = [];
  const held = Promise.withResolvers<undefined>();
  room.around = async (plans, _, work) => {
    begun.push(plans.length);
    if (begun.length === 1) await held.promise;
    return work();
  };
  return {
    begun,
    letGo: () => {
      held.resolve(undefined);
    },
  };
}

test("a few items wait for the batch under way, and go in one together", async () => {
  room = await openRoom(bench, { clock: still });
  const [first, ...rest] = await leased(6);
  if (first === undefined) throw new Error("nothing was leased");
  const { begun, letGo } = holdFirst();
  const reported = [room.report(first)];
  await until(() => begun.length === 1);
  for (const assignment of rest) {
    reported.push(room.report(assignment));
    await new Promise(setImmediate);
  }
  expect(begun).toEqual([1]);
  letGo();
  expect((await Promise.all(reported)).every(({ ok }) => ok)).toBe(true);
  expect(begun).toEqual([1, 5]);
});

test("many items get a batch beside the one under way at once", async () => {
  room = await openRoom(bench, { clock: still });
  const [first, ...rest] = await leased(20);
  if (first === undefined) throw new Error("nothing was leased");
  const { begun, letGo } = holdFirst();
  const slow = room.report(first);
  await until(() => begun.length === 1);
  await Promise.all(rest.map((assignment) => room.report(assignment)));
  expect(begun).toEqual([1, 19]);
  letGo();
  expect(await slow).toMatchObject({ ok: true });
});

test("beside a batch that takes long, a single item gets one of its own", async () => {
  room = await openRoom(bench);
  const [first, second] = await leased(2);
  if (first === undefined || second === undefined) throw new Error("nothing was leased");
  const { begun, letGo } = holdFirst();
  const slow = room.report(first);
  await until(() => begun.length === 1);
  expect(await room.report(second)).toMatchObject({ ok: true });
  letGo();
  expect(await slow).toMatchObject({ ok: true });
});
