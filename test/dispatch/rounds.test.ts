// A decision under the plan's lock ends, whatever it asks for. Not here: what decisions ask for.
import { expect, test } from "vitest";
import { ROUNDS_LIMIT } from "../../src/domain/plan/slice.ts";
import { decideContext, decideOn } from "../../src/operations/with-plan.ts";
import { step } from "../operations/bench.ts";
import { aPlan, openPlans } from "./room.ts";

test("a decision that asks without end is ended", async () => {
  const bench = await openPlans();
  try {
    const planId = await aPlan(bench, [step("a")]);
    const { store } = bench.it;
    let rounds = 0;
    await expect(
      store.transaction([bench.org.orgId], async (tx) => {
        const plan = await tx.plans.lock(bench.org.orgId, planId);
        if (plan === undefined) throw new Error("no plan");
        const context = await decideContext(tx, bench.context());
        const { complete } = tx.plans;
        // A step that is not there is asked for again each time.
        tx.plans.complete = async (slice, needs) => {
          rounds += 1;
          await complete.call(tx.plans, slice, needs);
        };
        return await decideOn(tx, plan, { kind: "retry", ordinal: 1_000_000, reason: "" }, context);
      }),
    ).rejects.toThrow("without end");
    expect(rounds).toBe(ROUNDS_LIMIT);
  } finally {
    await bench.end();
  }
});
