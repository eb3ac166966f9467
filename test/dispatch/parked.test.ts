// Steps that wait for money. Not here: the rules of budgets, which are the domain's.
import { expect, test } from "vitest";
import { PARKED_LIMIT } from "../../src/domain/plan/slice.ts";
import { step } from "../operations/bench.ts";
import { aPlan, openPlans, openRoom, until } from "./room.ts";

test("however many steps are too dear, they do not hide one that could run", async () => {
  const bench = await openPlans();
  const room = await openRoom(bench);
  try {
    const dear = Array.from({ length: PARKED_LIMIT + 10 }, (_, i) => step(`dear-${String(i)}`, [], { tokens: 90 }));
    const steps = [step("a-first", [], { tokens: 98 }), ...dear, step("z-cheap", [], { tokens: 5 })];
    const planId = await aPlan(bench, steps, "poor");
    const { given } = await room.addTaker(200);
    await room.offer(planId);
    const parked = async (): Promise<number> =>
      [...(await bench.rows(planId)).values()].filter((row) => row.state === "READY" && row.orderKey === null).length;
    await until(async () => (await parked()) === steps.length - 1);
    const [first] = given;
    if (first === undefined) throw new Error("no assignment");
    expect(await room.report(first, 20)).toMatchObject({ ok: true });
    await until(() => given.length === 2);
    expect(given[1]?.lease.step).toBe("z-cheap");
  } finally {
    await room.end();
    await bench.end();
  }
});
