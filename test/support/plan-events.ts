// Seeded random events on one plan, one at a time or until it ends. Not here: what executors (plan-events-executors.ts) and
// operators (plan-events-operators.ts) may do, the plans (random-plan.ts), and what must hold afterwards (plan-invariants.ts).
import { planHasEnded } from "../../src/domain/plan.ts";
import { ExecutorEvents, FAILURES } from "./plan-events-executors.ts";
import { OperatorEvents } from "./plan-events-operators.ts";
import { EventTrail } from "./plan-events-trail.ts";
import { checkWorld, isNotUndone, movers } from "./plan-invariants.ts";
import type { PlanWorld } from "./plan-world.ts";
import type { Dice } from "./random-graph.ts";

/** What executors, operators and clocks do to one plan, by chance. */
export class Events extends EventTrail {
  readonly world: PlanWorld;
  readonly #random: Dice;
  /** Chance of a good outcome. */
  readonly #luck: number;
  readonly #executors: ExecutorEvents;
  readonly #operators: OperatorEvents;

  constructor(world: PlanWorld) {
    super();
    this.world = world;
    this.#random = world.random;
    this.#luck = 0.3 + world.random.fraction() * 0.65;
    this.#executors = new ExecutorEvents(world, this, this.#luck);
    this.#operators = new OperatorEvents(world, this);
  }

  /** One event, and a look at everything. */
  next(): void {
    const { world } = this;
    const [random, executors, operators] = [this.#random, this.#executors, this.#operators];
    if (random.chance(0.7)) world.pass(random.below(random.chance(0.1) ? 400 : 12));
    const roll = random.below(100);
    if (roll < 30) executors.claim();
    else if (roll < 60) executors.report();
    else if (roll < 66) executors.lose();
    else if (roll < 70) executors.repeat();
    else if (roll < 73) executors.contradict();
    else if (roll < 76) executors.late();
    else if (roll < 78) executors.bogus();
    else if (roll < 82) this.#wake();
    else if (roll < 84) executors.batch();
    else if (roll < 90) operators.verb();
    else if (roll < 91) operators.many();
    else if (roll < 93) operators.resolve();
    else if (roll < 96) operators.replan();
    else if (roll < 98) operators.rerun();
    else if (roll < 99)
      this.say("cascade", () => {
        world.goOn();
      });
    else
      this.say("overdue", () => {
        world.overdue();
      });
    checkWorld(world);
  }

  /** Does what can be done until the plan has ended; says in how many rounds. */
  finish(): number {
    const { world } = this;
    for (let round = 1; round < 4_000; round++) {
      if (planHasEnded(world.plan.state)) return round;
      this.#settle(round);
      checkWorld(world);
    }
    throw new Error(`the plan does not end: ${world.plan.state} ${JSON.stringify(world.states())}`);
  }

  #settle(round: number): void {
    const { world } = this;
    world.pass(5);
    if (world.plan.state === "SUSPENDED") world.command({ kind: "resume", reason: "" });
    world.goOn();
    const [approval] = world.pending;
    if (approval !== undefined && world.plan.ending === null)
      world.command({
        kind: "decide-approval",
        approvalId: approval.approvalId,
        approve: this.#random.chance(0.7),
        comment: "",
      });
    for (const row of world.steps.values()) if (isNotUndone(world, row)) this.#operators.dealWith(row);
    for (const row of world.steps.values())
      if (row.heldBack && row.state === "WAITING") world.command({ kind: "release", ordinal: row.ordinal, reason: "" });
    for (const [ordinal, dueMs] of [...world.timers]) {
      world.nowMs = Math.max(world.nowMs, dueMs);
      world.wake(ordinal);
    }
    for (const row of this.#executors.leasable) this.#executors.lease(row);
    for (const row of this.#executors.live)
      this.#executors.answer(
        row,
        round > 2_000 || this.#random.chance(this.#luck) ? "success" : this.#random.pick(FAILURES),
      );
    const found = movers(world);
    if (found.length > 0 && found.every((mover) => mover === "starved"))
      world.command({ kind: "cancel", reason: "no budget", compensate: this.#random.chance(0.5) });
  }

  #wake(): void {
    this.say("wake", () => {
      if (this.world.timers.size > 0 && this.#random.chance(0.7))
        this.world.nowMs = Math.max(this.world.nowMs, Math.min(...this.world.timers.values()));
      this.world.wakeDue();
      // A timer that somebody cleared in the meantime.
      this.world.wake(1 + this.#random.below(this.world.steps.size));
    });
  }
}
