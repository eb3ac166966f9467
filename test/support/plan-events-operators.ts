// What operators do to a plan by chance: their verbs, and re-planning with random edits. Not here: executors, and when what
// happens.
import { NO_LIMITS } from "../../src/domain/amounts.ts";
import type { Limits } from "../../src/domain/amounts.ts";
import type { EventTrail } from "./plan-events-trail.ts";
import type { PlanWorld } from "./plan-world.ts";
import { randomEdit } from "./random-graph.ts";
import type { Dice } from "./random-graph.ts";

export class OperatorEvents {
  readonly world: PlanWorld;
  readonly #trail: EventTrail;
  readonly #random: Dice;
  /** Steps that re-planning made up. */
  #fresh = 0;

  constructor(world: PlanWorld, trail: EventTrail) {
    this.world = world;
    this.#trail = trail;
    this.#random = world.random;
  }

  verb(): void {
    const random = this.#random;
    const { world } = this;
    const ordinal = 1 + random.below(world.steps.size);
    const key = world.steps.get(ordinal)?.key ?? "";
    const [approval] = world.pending;
    const wanted: [string, () => void][] = [
      [
        "suspend",
        () => {
          world.command({ kind: "suspend", reason: "" });
        },
      ],
      [
        "resume",
        () => {
          world.command({ kind: "resume", reason: "" });
        },
      ],
      [
        "resume",
        () => {
          world.command({ kind: "resume", reason: "" });
        },
      ],
      [
        "skip",
        () => {
          world.command({ kind: "skip", ordinal, reason: "" });
        },
      ],
      [
        "hold",
        () => {
          world.command({ kind: "hold", ordinal, reason: "" });
        },
      ],
      [
        "release",
        () => {
          for (const row of world.steps.values())
            if (row.heldBack && random.chance(0.5))
              world.command({ kind: "release", ordinal: row.ordinal, reason: "" });
        },
      ],
      [
        "retry",
        () => {
          this.#retry();
        },
      ],
      [
        "retry",
        () => {
          this.#retry();
        },
      ],
      [
        "decide",
        () => {
          if (approval !== undefined)
            world.command({
              kind: "decide-approval",
              approvalId: approval.approvalId,
              approve: random.chance(0.7),
              comment: "",
            });
        },
      ],
      [
        "decide",
        () => {
          if (approval !== undefined)
            world.command({
              kind: "decide-approval",
              approvalId: approval.approvalId,
              approve: random.chance(0.7),
              comment: "",
            });
        },
      ],
      [
        "decide",
        () => {
          if (approval !== undefined)
            world.command({
              kind: "decide-approval",
              approvalId: approval.approvalId,
              approve: random.chance(0.7),
              comment: "",
            });
        },
      ],
    ];
    if (random.chance(0.05))
      wanted.push([
        "cancel",
        () => {
          world.command({ kind: "cancel", reason: "", compensate: random.chance(0.6) });
        },
      ]);
    const [name, act] = random.pick(wanted);
    this.#trail.say(`${name} ${key}`, act);
  }

  #retry(): void {
    const rows = [...this.world.steps.values()].filter(
      (r) => r.state === "FAILED" || r.state === "REFUSED" || r.state === "BACKING_OFF",
    );
    if (rows.length > 0) this.world.command({ kind: "retry", ordinal: this.#random.pick(rows).ordinal, reason: "" });
  }

  replan(): void {
    const random = this.#random;
    const { world } = this;
    let steps = [...world.definitionsOf(world.plan.activeVersion)];
    for (let edits = random.below(4); edits >= 0; edits--) {
      this.#fresh += 1;
      steps = randomEdit(random, steps, `fresh${String(this.#fresh)}`);
    }
    const limits: { -readonly [K in keyof Limits]: Limits[K] } = { ...NO_LIMITS };
    for (const [d, most] of world.limited) limits[d] = Math.floor(most * (0.5 + random.fraction() * 2));
    this.#trail.say(`replan ${String(steps.length)}`, () => {
      const done = world.activate(steps, {
        limits: random.chance(0.6) ? limits : { ...NO_LIMITS, ...Object.fromEntries(world.limited) },
        staleRule: random.pick(["RERUN", "KEEP"] as const),
      });
      this.#trail.count(done === undefined ? "no graph" : done.ok ? "replanned" : done.refusal.reason);
    });
  }
}
