// Seeded random plans, and seeded random events on them. Not here: what must hold afterwards, see plan-invariants.ts.
import { DIMENSIONS, NO_LIMITS, NOTHING, plus } from "../../src/domain/amounts.ts";
import type { Amounts, Limits } from "../../src/domain/amounts.ts";
import type { ExecutorId } from "../../src/domain/id.ts";
import type { ErrorClass, Outcome, Receipt } from "../../src/domain/outcome.ts";
import { planHasEnded } from "../../src/domain/plan.ts";
import { readySteps } from "../../src/domain/plan/decide.ts";
import { claim } from "../../src/domain/plan/lease.ts";
import { report } from "../../src/domain/plan/report.ts";
import { overdue } from "../../src/domain/plan/control.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";
import { checkWorld, movers } from "./plan-invariants.ts";
import { EXECUTORS, PlanWorld } from "./plan-world.ts";
import { randomEdit, randomSteps } from "./random-graph.ts";
import type { Dice } from "./random-graph.ts";

const RULES = ["FAIL_PLAN", "SKIP_DEPENDENTS", "CARRY_ON", "ASK"] as const;
const CLASSES: readonly ErrorClass[] = [
  "TRANSIENT",
  "TRANSIENT",
  "PERMANENT",
  "TIMEOUT",
  "LOST",
  "CANCELLED",
  "SCHEMA",
];

/** Steps with all that can be said of one. */
export function variedSteps(random: Dice, count: number): StepDefinition[] {
  const gentle = random.chance(0.5);
  const steps = randomSteps(random, {
    steps: count,
    needs: random.fraction() * 2.5,
    regardless: random.fraction() * 0.5,
    references: random.fraction() * 0.4,
  });
  return steps.map((step) => ({ ...step, ...settings(random, step, gentle) }));
}

function settings(random: Dice, step: StepDefinition, gentle: boolean): Partial<StepDefinition> {
  const parts: { -readonly [K in keyof StepDefinition]?: StepDefinition[K] } = {};
  parts.onFailure =
    gentle && random.chance(0.8) ? random.pick(["CARRY_ON", "SKIP_DEPENDENTS"] as const) : random.pick(RULES);
  if (random.chance(0.5))
    parts.retry = { ...step.retry, maxAttempts: 1 + random.below(4), initialBackoffMs: 5 + random.below(50) };
  if (random.chance(0.35)) {
    const input = random.chance(0.5) ? `{"undo":"\${{ steps[\\"${step.key}\\"].outputs.value }}"}` : `{"undo":1}`;
    parts.compensation = {
      capability: "undo",
      input: { kind: "json", text: input },
      timeoutMs: 1_000,
      retry: { ...step.retry, maxAttempts: 1 + random.below(3), initialBackoffMs: 5 },
    };
  }
  if (random.chance(0.15)) parts.requiresApproval = true;
  const [need] = step.needs;
  if (need !== undefined && random.chance(0.3)) {
    parts.condition = random.pick([
      `steps["${need.step}"].state == "SUCCEEDED"`,
      `steps["${need.step}"].state != "SKIPPED"`,
      `steps["${need.step}"].outputs.value > 20`,
      'goal.inputs.ref == "main"',
    ]);
  }
  if (random.chance(0.1))
    parts.outputSchema = '{"type":"object","properties":{"value":{"type":"integer","maximum":80}}}';
  if (random.chance(0.1)) parts.inputSchema = '{"type":"object"}';
  parts.hold = random.chance(0.7) ? randomAmounts(random, 40) : NOTHING;
  parts.timeoutMs = 10_000;
  parts.priority = random.below(3);
  return parts;
}

function randomAmounts(random: Dice, most: number): Amounts {
  return {
    tokens: random.below(most),
    moneyMicros: random.below(most),
    wallMs: random.below(most),
    energyMillijoules: random.below(most),
  };
}

/** A plan that was just committed. Dimensions that are limited stay so. */
export function randomWorld(seed: number, steps?: number): PlanWorld {
  const shape = new PlanWorld({ seed }).random;
  const definitions = variedSteps(shape, steps ?? 1 + shape.below(shape.chance(0.3) ? 60 : 18));
  const worst = definitions.reduce((sum, step) => plus(sum, step.hold), NOTHING);
  const limits: { -readonly [K in keyof Limits]: Limits[K] } = { ...NO_LIMITS };
  if (shape.chance(0.5))
    for (const d of DIMENSIONS)
      if (shape.chance(0.5)) limits[d] = Math.floor(worst[d] * (0.2 + shape.fraction() * 1.5));
  const world = new PlanWorld({
    seed: seed + 7,
    limits,
    deadlineMs: shape.chance(0.3) ? 2_000 + shape.below(20_000) : null,
  });
  for (const d of DIMENSIONS) if (limits[d] !== null) world.limited.set(d, limits[d]);
  const done = world.activate(definitions);
  if (done?.ok !== true)
    throw new Error(`the graph of seed ${String(seed)} was not activated: ${JSON.stringify(done)}`);
  return world;
}

interface Sent {
  readonly outcome: Outcome;
  readonly executorId: ExecutorId;
  readonly receipt: Receipt;
}

/** What executors and operators do to one plan, by chance. */
export class Events {
  readonly world: PlanWorld;
  readonly trail: string[] = [];
  readonly counts = new Map<string, number>();
  readonly #random: Dice;
  readonly #sent: Sent[] = [];
  readonly #holders = new Map<string, ExecutorId>();
  #bodies = 0;
  #fresh = 0;
  /** Chance of a good outcome. */
  readonly #luck: number;

  constructor(world: PlanWorld) {
    this.world = world;
    this.#random = world.random;
    this.#luck = 0.3 + world.random.fraction() * 0.65;
  }

  get live(): readonly StepRow[] {
    return [...this.world.steps.values()].filter((r) => r.state === "LEASED" || r.state === "STOPPING");
  }

  get leasable(): readonly StepRow[] {
    return [...this.world.steps.values()].filter((r) => r.orderKey !== null);
  }

  /** One event, and a look at everything. */
  next(): void {
    const random = this.#random;
    const { world } = this;
    if (random.chance(0.7)) world.pass(random.below(random.chance(0.1) ? 400 : 12));
    const roll = random.below(100);
    if (roll < 30) this.#claim();
    else if (roll < 60) this.#report();
    else if (roll < 66) this.#lose();
    else if (roll < 70) this.#repeat();
    else if (roll < 73) this.#contradict();
    else if (roll < 76) this.#late();
    else if (roll < 78) this.#bogus();
    else if (roll < 82) this.#wake();
    else if (roll < 84) this.#batch();
    else if (roll < 95) this.#verb();
    else if (roll < 98) this.#replan();
    else if (roll < 99)
      this.#say("cascade", () => {
        world.goOn();
      });
    else
      this.#say("overdue", () => {
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
    for (const row of world.steps.values())
      if (row.heldBack && row.state === "WAITING") world.command({ kind: "release", ordinal: row.ordinal, reason: "" });
    for (const [ordinal, dueMs] of [...world.timers]) {
      world.nowMs = Math.max(world.nowMs, dueMs);
      world.wake(ordinal);
    }
    for (const row of this.leasable) this.#lease(row);
    for (const row of this.live)
      this.#answer(row, round > 2_000 || this.#random.chance(this.#luck) ? "success" : this.#random.pick(CLASSES));
    const found = movers(world);
    if (found.length > 0 && found.every((mover) => mover === "starved"))
      world.command({ kind: "cancel", reason: "no budget", compensate: this.#random.chance(0.5) });
  }

  #say(what: string, act: () => void): void {
    this.trail.push(what);
    const [kind] = what.split(" ") as [string];
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    act();
  }

  #lease(row: StepRow): void {
    const executorId = this.#random.pick(EXECUTORS);
    const leased = this.world.claim(row.ordinal, executorId);
    if (leased !== undefined) this.#holders.set(`${String(leased.ordinal)}/${String(leased.fencing)}`, executorId);
  }

  #claim(): void {
    const { leasable } = this;
    if (leasable.length === 0) return;
    const row = this.#random.pick(leasable);
    this.#say(`claim ${row.key}`, () => {
      this.#lease(row);
    });
    // Whoever comes second gets nothing.
    const now = this.world.steps.get(row.ordinal);
    if (now !== undefined && now.state === "LEASED" && this.world.claim(row.ordinal) !== undefined)
      throw new Error("a step was leased twice");
  }

  #kind(): Parameters<PlanWorld["outcome"]>[1] {
    const random = this.#random;
    if (random.chance(this.#luck)) return "success";
    return random.chance(0.25) ? random.pick(["refusal", "stopped", "returned"] as const) : random.pick(CLASSES);
  }

  #report(): void {
    const { live } = this;
    if (live.length === 0) return;
    const row = this.#random.pick(live);
    const kind = this.#kind();
    this.#say(`report ${row.key} ${kind}`, () => {
      this.#answer(row, kind);
    });
  }

  #make(row: StepRow, kind: Parameters<PlanWorld["outcome"]>[1]): Outcome {
    const random = this.#random;
    const usage = random.chance(0.6) ? randomAmounts(random, 50) : NOTHING;
    this.#bodies += 1;
    return this.world.outcome(row, kind, { usage, value: random.below(100), body: `body ${String(this.#bodies)}` });
  }

  #answer(row: StepRow, kind: Parameters<PlanWorld["outcome"]>[1]): void {
    const executorId = row.executorId as ExecutorId;
    const outcome = this.#make(row, kind);
    const answer = this.world.report(outcome, executorId);
    if (!answer.ok) throw new Error(`the outcome of a live lease was refused: ${answer.refusal.explanation}`);
    if (answer.value.duplicate) throw new Error("a first outcome was called a duplicate");
    this.#accepted(outcome, executorId, answer.value);
  }

  #accepted(outcome: Outcome, executorId: ExecutorId, receipt: Receipt): void {
    const { ordinal, fencing } = outcome.lease;
    const attempt = this.world.attempts.get(`${String(ordinal)}/${String(fencing)}`);
    if (attempt?.recordId !== receipt.recordId) throw new Error("the receipt names another record than the attempt");
    this.#sent.push({ outcome, executorId, receipt });
  }

  #lose(): void {
    const { live } = this;
    if (live.length === 0) return;
    const row = this.#random.pick(live);
    const errorClass = this.#random.chance(0.6) ? "LOST" : "TIMEOUT";
    this.#say(`lose ${row.key} ${errorClass}`, () => {
      if (this.world.lose(row.ordinal, row.fencing - 1, errorClass))
        throw new Error("a lease was ended under another fencing number");
      if (!this.world.lose(row.ordinal, row.fencing, errorClass)) throw new Error("a live lease could not be lost");
      if (this.world.lose(row.ordinal, row.fencing, errorClass)) throw new Error("a lease was lost twice");
    });
  }

  #repeat(): void {
    if (this.#sent.length === 0) return;
    const { outcome, executorId, receipt } = this.#random.pick(this.#sent);
    this.#say(`repeat ${outcome.lease.step}`, () => {
      const { rev } = this.world.plan;
      const again = this.world.report(outcome, executorId);
      if (!again.ok || !again.value.duplicate || again.value.recordId !== receipt.recordId)
        throw new Error("a repeated outcome got another answer");
      if (this.world.plan.rev !== rev) throw new Error("a repeated outcome changed the plan");
    });
  }

  #contradict(): void {
    if (this.#sent.length === 0) return;
    const { outcome, executorId } = this.#random.pick(this.#sent);
    this.#say(`contradict ${outcome.lease.step}`, () => {
      this.#evidence(
        { ...outcome, bodyDigest: Buffer.from("another"), usage: randomAmounts(this.#random, 90) },
        executorId,
        "CONTRADICTORY_EVIDENCE",
      );
    });
  }

  #late(): void {
    const lost = [...this.world.attempts.values()].filter((a) => a.state === "LOST");
    if (lost.length === 0) return;
    const attempt = this.#random.pick(lost);
    const row = this.world.steps.get(attempt.ordinal);
    if (row === undefined) return;
    this.#say(`late ${row.key}`, () => {
      const late = this.#make({ ...row, fencing: attempt.fencing }, "success");
      this.#evidence(late, attempt.executorId, "STALE_LEASE");
    });
  }

  /** Refused, and kept once: the state of steps does not change. */
  #evidence(outcome: Outcome, executorId: ExecutorId, reason: string): void {
    const states = (): string => JSON.stringify([...this.world.steps.values()].map((r) => r.state));
    const before = states();
    const answer = this.world.report(outcome, executorId);
    if (answer.ok || answer.refusal.reason !== reason)
      throw new Error(`evidence was answered with ${JSON.stringify(answer)}`);
    if (states() !== before) throw new Error("evidence changed a state");
    const { recordSeq } = this.world.plan;
    this.world.report(outcome, executorId);
    if (this.world.plan.recordSeq !== recordSeq) throw new Error("the same evidence was kept twice");
  }

  /** Reports that are wrong in themselves. */
  #bogus(): void {
    const rows = [...this.world.steps.values()];
    const row = this.#random.pick(rows);
    this.#say(`bogus ${row.key}`, () => {
      const { rev } = this.world.plan;
      const outcome = this.#make(row, "success");
      const [own, other] = [EXECUTORS[0] as ExecutorId, EXECUTORS[1] as ExecutorId];
      const expectNo = (wrong: Outcome, executorId: ExecutorId, reason: string): void => {
        const answer = this.world.report(wrong, executorId);
        if (answer.ok || answer.refusal.reason !== reason)
          throw new Error(`${reason} was expected, not ${JSON.stringify(answer)}`);
      };
      expectNo({ ...outcome, lease: { ...outcome.lease, fencing: row.fencing + 1 } }, own, "STALE_LEASE");
      for (const ordinal of [0, -1, this.world.plan.nextOrdinal])
        expectNo({ ...outcome, lease: { ...outcome.lease, ordinal } }, own, "NOT_FOUND");
      expectNo({ ...outcome, lease: { ...outcome.lease, step: "another" } }, own, "NOT_FOUND");
      if (row.executorId !== null) expectNo(outcome, row.executorId === own ? other : own, "EXECUTOR_UNFIT");
      if (this.world.plan.rev !== rev) throw new Error("a report that is wrong in itself changed the plan");
    });
  }

  #wake(): void {
    this.#say("wake", () => {
      if (this.world.timers.size > 0 && this.#random.chance(0.7))
        this.world.nowMs = Math.max(this.world.nowMs, Math.min(...this.world.timers.values()));
      this.world.wakeDue();
      // A timer that somebody cleared in the meantime.
      this.world.wake(1 + this.#random.below(this.world.steps.size));
    });
  }

  /** Several outcomes and claims in one draft, with handover of what became ready. */
  #batch(): void {
    const live = this.live.filter(() => this.#random.chance(0.6)).slice(0, 5);
    const leasable = this.leasable.filter(() => this.#random.chance(0.5)).slice(0, 5);
    if (live.length + leasable.length === 0) return;
    const outcomes = live.map((row) => ({
      outcome: this.#make(row, this.#kind()),
      executorId: row.executorId as ExecutorId,
    }));
    const claims = leasable.map((row) => ({
      ordinal: row.ordinal,
      executorId: this.#random.pick(EXECUTORS),
      sessionId: "00000000-0000-7000-8000-00000000000b" as never,
      leaseMs: this.#random.chance(0.3) ? 5_000 : null,
    }));
    const late = this.#random.chance(0.2);
    this.#say(`batch ${String(outcomes.length)}+${String(claims.length)}`, () => {
      const answers = this.world.batch(
        [...live, ...leasable].map((r) => r.ordinal),
        live.map((r) => r.ordinal),
        (draft) => {
          const got = outcomes.map(({ outcome, executorId }) => report(draft, outcome, executorId));
          const again = outcomes.map(({ outcome, executorId }) => report(draft, outcome, executorId));
          for (const wanted of claims) claim(draft, wanted);
          for (const { ordinal } of readySteps(draft))
            claim(draft, {
              ordinal,
              executorId: EXECUTORS[0] as ExecutorId,
              sessionId: "00000000-0000-7000-8000-00000000000b" as never,
              leaseMs: null,
            });
          if (late) overdue(draft);
          return got.map((one, i) => [one, again[i]] as const);
        },
      );
      for (const [i, [answer, again]] of answers.entries()) {
        const sent = outcomes[i];
        if (
          sent === undefined ||
          !answer.ok ||
          again?.ok !== true ||
          !again.value.duplicate ||
          again.value.recordId !== answer.value.recordId
        )
          throw new Error("an outcome in a batch got a wrong answer");
        this.#accepted(sent.outcome, sent.executorId, answer.value);
      }
    });
  }

  #verb(): void {
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
    this.#say(`${name} ${key}`, act);
  }

  #retry(): void {
    const rows = [...this.world.steps.values()].filter(
      (r) => r.state === "FAILED" || r.state === "REFUSED" || r.state === "BACKING_OFF",
    );
    if (rows.length > 0) this.world.command({ kind: "retry", ordinal: this.#random.pick(rows).ordinal, reason: "" });
  }

  #replan(): void {
    const random = this.#random;
    const { world } = this;
    let steps = [...world.definitionsOf(world.plan.activeVersion)];
    for (let edits = random.below(4); edits >= 0; edits--) {
      this.#fresh += 1;
      steps = randomEdit(random, steps, `fresh${String(this.#fresh)}`);
    }
    const limits: { -readonly [K in keyof Limits]: Limits[K] } = { ...NO_LIMITS };
    for (const [d, most] of world.limited) limits[d] = Math.floor(most * (0.5 + random.fraction() * 2));
    this.#say(`replan ${String(steps.length)}`, () => {
      const done = world.activate(steps, {
        limits: random.chance(0.6) ? limits : { ...NO_LIMITS, ...Object.fromEntries(world.limited) },
        staleRule: random.pick(["RERUN", "KEEP"] as const),
      });
      this.counts.set(
        done === undefined ? "no graph" : done.ok ? "replanned" : done.refusal.reason,
        (this.counts.get(done === undefined ? "no graph" : done.ok ? "replanned" : done.refusal.reason) ?? 0) + 1,
      );
    });
  }
}
