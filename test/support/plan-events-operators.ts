// What operators do to a plan by chance: their verbs, and re-planning with random edits. Not here: executors, and when what
// happens.
import { NO_LIMITS } from "../../src/domain/amounts.ts";
import type { Limits } from "../../src/domain/amounts.ts";
import { NOBODY } from "../../src/domain/plan/by-hand.ts";
import { hasEnded } from "../../src/domain/step.ts";
import type { StepRow } from "../../src/domain/step.ts";
import type { EventTrail } from "./plan-events-trail.ts";
import type { PlanWorld } from "./plan-world.ts";
import { randomAmounts } from "./random-plan.ts";
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
    if (random.chance(0.1))
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
    const all = [...this.world.steps.values()];
    const left = all.filter((r) => r.state === "COMPENSATION_FAILED");
    const rows = all.filter(
      (r) => r.current && (r.state === "FAILED" || r.state === "REFUSED" || r.state === "BACKING_OFF"),
    );
    const [some] = [this.#random.chance(0.6) ? left : [], rows].filter((l) => l.length > 0);
    if (some !== undefined) this.#retryRow(this.#random.pick(some));
  }

  #retryRow(row: StepRow): void {
    const { state } = this.world.plan;
    const answer = this.world.command({ kind: "retry", ordinal: row.ordinal, reason: "" });
    if (answer.ok && row.state === "COMPENSATION_FAILED")
      this.#trail.count(`undone again, ${row.current ? "" : "dropped, "}${state}`);
  }

  /** Of an effect that could not be undone and that somebody waits for: it is tried again, or said to be gone. */
  dealWith(row: StepRow): void {
    const random = this.#random;
    if (random.chance(0.7)) return this.#retryRow(row);
    const { result } = this.world.outcome(row, "success");
    if (result.kind !== "success") return;
    const answer = this.world.command({
      kind: "resolve",
      ordinal: row.ordinal,
      reason: "seen to",
      result,
      usage: null,
      fencing: 0,
    });
    if (answer.ok) this.#trail.count("not undone, and resolved");
  }

  /** One verb on many steps at once. */
  many(): void {
    const random = this.#random;
    const { world } = this;
    const kind = random.pick(["retry", "retry", "skip", "hold", "release", "release"] as const);
    const rows = [...world.steps.values()].filter((row) => row.current && random.chance(kind === "skip" ? 0.1 : 0.8));
    this.#trail.say(`many ${kind} ${String(rows.length)}`, () => {
      const done = world.commands(rows.map(({ ordinal }) => ({ kind, ordinal, reason: "" })));
      if (done > 1) this.#trail.count(`many ${kind}`);
    });
  }

  /** An operator says what any step came to, mostly of one that has not ended. */
  resolve(): void {
    const random = this.#random;
    const { world } = this;
    const rows = [...world.steps.values()].filter((row) => row.current || (row.undoing && row.state !== "COMPENSATED"));
    const open = rows.filter((row) => row.state !== "SUCCEEDED" && row.state !== "SKIPPED");
    const busy = open.filter((row) => row.executorId !== null || (row.undoing && row.state !== "COMPENSATED"));
    const [some = rows] = [random.chance(0.5) ? busy : [], random.chance(0.9) ? open : []].filter((l) => l.length > 0);
    const row = random.pick(some);
    const result = world.outcome(row, random.chance(0.6) ? "success" : "PERMANENT", {
      value: random.below(100),
    }).result;
    if (result.kind !== "success" && result.kind !== "failure") return;
    this.#trail.say(`resolve ${row.key} ${row.state} ${result.kind}`, () => {
      const { stops } = world;
      const told = stops.length;
      const answer = world.command({
        kind: "resolve",
        ordinal: row.ordinal,
        reason: "",
        result,
        usage: random.chance(0.5) ? randomAmounts(random, 40) : null,
        fencing: random.chance(0.8) ? row.fencing : 0,
      });
      const now = world.steps.get(row.ordinal) ?? row;
      if (!answer.ok) {
        if (JSON.stringify(now) !== JSON.stringify(row))
          throw new Error("a resolution that was refused changed the step");
        this.#trail.count("resolve refused");
        return;
      }
      this.#trail.count(`resolved ${row.current ? "" : "dropped "}${row.undoing ? "undoing " : ""}${row.state}`);
      if (now.fencing <= row.fencing || world.attemptsOf(row.ordinal).at(-1)?.executorId !== NOBODY)
        throw new Error("a resolution left no attempt of its own");
      if (row.state === "LEASED" && stops.length === told) throw new Error("nobody told the executor to stop");
      const again = world.command({
        kind: "resolve",
        ordinal: row.ordinal,
        reason: "",
        result,
        usage: null,
        fencing: row.fencing + 1_000,
      });
      if (again.ok || again.refusal.reason !== "STALE_LEASE") throw new Error("a stale resolution was taken");
    });
  }

  /** Mostly steps that can run again; now and then any. */
  rerun(): void {
    const random = this.#random;
    const { world } = this;
    const rows = [...world.steps.values()].filter((row) => row.current);
    const done = rows.filter((row) => hasEnded(row.state) && !row.undoing);
    const row = random.pick(done.length > 0 && random.chance(0.9) ? done : rows);
    const cascade = random.chance(0.5);
    const order = random.chance(0.7) ? "UNDO_FIRST" : "AT_ONCE";
    this.#trail.say(`rerun ${row.key} ${order}${cascade ? " and so on" : ""}`, () => {
      const { state } = world.plan;
      const answer = world.rerun(row.key, cascade, order);
      if (!answer.ok) {
        this.#trail.count("rerun refused");
        return;
      }
      this.#trail.count(state === "FAILED" ? "rerun revived" : `rerun ${row.state}`);
      if (answer.value.stale.length > 0) this.#trail.count("stale");
      if (answer.value.compensated.length > 0) this.#trail.count(`rerun ${order}, compensated`);
      const undone = answer.value.compensated.map((key) => world.row(key));
      if (order === "UNDO_FIRST" && undone.some((one) => one.state !== "PENDING" || one.waitingOn === 0))
        throw new Error("a step runs again before its effect is undone");
      if (cascade && answer.value.stale.length > 0) throw new Error("a cascade left something stale");
      const now = world.row(row.key);
      if (now.ordinal === row.ordinal || now.state === "SUCCEEDED")
        throw new Error("a step that runs again did not begin anew");
      for (const key of answer.value.stale) {
        const stale = world.row(key);
        if (stale.state !== "SUCCEEDED" && stale.state !== "LEASED") throw new Error(`a stale step is ${stale.state}`);
      }
    });
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
