// What executors do to a plan by chance: lease, report, fall silent, repeat themselves, contradict themselves, come late,
// talk nonsense, all of it alone or in batches; each answer is looked at. Not here: operators' verbs, and when what happens.
import { NOTHING } from "../../src/domain/amounts.ts";
import { sha256Hex } from "../../src/domain/canonical.ts";
import type { ExecutorId } from "../../src/domain/id.ts";
import type { Attempt, ErrorClass, Outcome, Receipt } from "../../src/domain/outcome.ts";
import { overdue } from "../../src/domain/plan/control.ts";
import { readySteps } from "../../src/domain/plan/decide.ts";
import { claim } from "../../src/domain/plan/lease.ts";
import { report } from "../../src/domain/plan/report.ts";
import type { StepRow } from "../../src/domain/step.ts";
import type { EventTrail } from "./plan-events-trail.ts";
import { EXECUTORS, SESSION } from "./plan-world.ts";
import type { Ending, PlanWorld } from "./plan-world.ts";
import { randomAmounts } from "./random-plan.ts";
import type { Dice } from "./random-graph.ts";

export const FAILURES: readonly ErrorClass[] = [
  "TRANSIENT",
  "TRANSIENT",
  "PERMANENT",
  "TIMEOUT",
  "LOST",
  "CANCELLED",
  "SCHEMA",
];

/** A lease that an operator ended with a word on its usage. */
function isByHand(attempt: Attempt): boolean {
  return attempt.state === "STOPPED" && attempt.failure?.message.startsWith("resolved by hand") === true;
}

interface Sent {
  readonly outcome: Outcome;
  readonly executorId: ExecutorId;
  readonly receipt: Receipt;
}

const ANY_ARTIFACT = {
  name: "dist/app.tgz",
  uri: "https://example.test/app.tgz",
  digest: "",
  sizeBytes: 1,
  contentType: "",
};

export class ExecutorEvents {
  readonly world: PlanWorld;
  readonly #trail: EventTrail;
  readonly #random: Dice;
  /** Chance of a good outcome. */
  readonly #luck: number;
  readonly #sent: Sent[] = [];
  #bodies = 0;

  constructor(world: PlanWorld, trail: EventTrail, luck: number) {
    this.world = world;
    this.#trail = trail;
    this.#random = world.random;
    this.#luck = luck;
  }

  get live(): readonly StepRow[] {
    return [...this.world.steps.values()].filter((r) => r.state === "LEASED" || r.state === "STOPPING");
  }

  get leasable(): readonly StepRow[] {
    return [...this.world.steps.values()].filter((r) => r.orderKey !== null);
  }

  lease(row: StepRow): void {
    this.world.claim(row.ordinal, this.#random.pick(EXECUTORS));
  }

  claim(): void {
    const { leasable } = this;
    if (leasable.length === 0) return;
    const row = this.#random.pick(leasable);
    this.#trail.say(`claim ${row.key}`, () => {
      this.lease(row);
    });
    // Whoever comes second gets nothing.
    const now = this.world.steps.get(row.ordinal);
    if (now !== undefined && now.state === "LEASED" && this.world.claim(row.ordinal) !== undefined)
      throw new Error("a step was leased twice");
  }

  #kind(): Ending {
    const random = this.#random;
    if (random.chance(this.#luck)) return "success";
    return random.chance(0.25) ? random.pick(["refusal", "stopped", "returned"] as const) : random.pick(FAILURES);
  }

  report(): void {
    const { live } = this;
    if (live.length === 0) return;
    const row = this.#random.pick(live);
    const kind = this.#kind();
    this.#trail.say(`report ${row.key} ${kind}`, () => {
      this.answer(row, kind);
    });
  }

  #make(row: StepRow, kind: Ending): Outcome {
    const random = this.#random;
    const usage = random.chance(0.6) ? randomAmounts(random, 50) : NOTHING;
    this.#bodies += 1;
    const artifacts = [ANY_ARTIFACT, { ...ANY_ARTIFACT, name: "sbom.cdx.json" }].slice(0, this.#bodies % 3);
    const body = `body ${String(this.#bodies)}`;
    return this.world.outcome(row, kind, { usage, value: random.below(100), body, artifacts });
  }

  answer(row: StepRow, kind: Ending): void {
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

  lose(): void {
    const { live } = this;
    if (live.length === 0) return;
    const row = this.#random.pick(live);
    const errorClass = this.#random.chance(0.6) ? "LOST" : "TIMEOUT";
    this.#trail.say(`lose ${row.key} ${errorClass}`, () => {
      if (this.world.lose(row.ordinal, row.fencing - 1, errorClass))
        throw new Error("a lease was ended under another fencing number");
      if (!this.world.lose(row.ordinal, row.fencing, errorClass)) throw new Error("a live lease could not be lost");
      if (this.world.lose(row.ordinal, row.fencing, errorClass)) throw new Error("a lease was lost twice");
    });
  }

  repeat(): void {
    if (this.#sent.length === 0) return;
    const { outcome, executorId, receipt } = this.#random.pick(this.#sent);
    this.#trail.say(`repeat ${outcome.lease.step}`, () => {
      const { rev } = this.world.plan;
      const again = this.world.report(outcome, executorId);
      if (!again.ok || !again.value.duplicate || again.value.recordId !== receipt.recordId)
        throw new Error("a repeated outcome got another answer");
      if (this.world.plan.rev !== rev) throw new Error("a repeated outcome changed the plan");
    });
  }

  contradict(): void {
    if (this.#sent.length === 0) return;
    const { outcome, executorId } = this.#random.pick(this.#sent);
    this.#trail.say(`contradict ${outcome.lease.step}`, () => {
      this.#evidence(
        { ...outcome, bodyDigest: sha256Hex("another"), usage: randomAmounts(this.#random, 90) },
        executorId,
        "CONTRADICTORY_EVIDENCE",
      );
    });
  }

  late(): void {
    const lost = [...this.world.attempts.values()].filter((a) => a.state === "LOST" || isByHand(a));
    if (lost.length === 0) return;
    const attempt = this.#random.pick(lost);
    const row = this.world.steps.get(attempt.ordinal);
    if (row === undefined) return;
    this.#trail.say(`late ${row.key}`, () => {
      const late = this.#make({ ...row, fencing: attempt.fencing }, "success");
      // Where an operator said what it used, that is what was booked, and another word contradicts it.
      this.#evidence(late, attempt.executorId, attempt.state === "LOST" ? "STALE_LEASE" : "CONTRADICTORY_EVIDENCE");
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
  bogus(): void {
    const rows = [...this.world.steps.values()];
    const row = this.#random.pick(rows);
    this.#trail.say(`bogus ${row.key}`, () => {
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

  /** Several outcomes and claims in one draft, with handover of what became ready. */
  batch(): void {
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
      sessionId: SESSION,
      leaseMs: this.#random.chance(0.3) ? 5_000 : null,
    }));
    const late = this.#random.chance(0.2);
    this.#trail.say(`batch ${String(outcomes.length)}+${String(claims.length)}`, () => {
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
              sessionId: SESSION,
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
}
