// Operators of the simulation: they commit plans, and cancel, suspend, retry, hold, skip, decide and re-plan them, each call with a
// key, again until it is answered. Not here: executors (executors.ts).
import { NO_LIMITS, NOTHING, plus } from "../../src/domain/amounts.ts";
import { NO_RELEASE_POLICY } from "../../src/domain/charter.ts";
import type { Operation } from "../../src/engine/operation.ts";
import { planHasEnded } from "../../src/domain/plan.ts";
import { approvalDecide } from "../../src/operations/approval-decide.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { graphReplan } from "../../src/operations/graph-replan.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import type { HeavyWork } from "../../src/operations/heavy-work.ts";
import { planCancel } from "../../src/operations/plan-cancel.ts";
import { planResume } from "../../src/operations/plan-resume.ts";
import { planSuspend } from "../../src/operations/plan-suspend.ts";
import { stepHold } from "../../src/operations/step-hold.ts";
import { stepRelease } from "../../src/operations/step-release.ts";
import { stepRetry } from "../../src/operations/step-retry.ts";
import { stepSkip } from "../../src/operations/step-skip.ts";
import { stepRerun } from "../../src/operations/step-rerun.ts";
import { stepResolve } from "../../src/operations/step-resolve.ts";
import { stepChange } from "../../src/operations/step-change.ts";
import { planChange } from "../../src/operations/plan-change.ts";
import { digestOfText } from "../../src/domain/canonical.ts";
import type { PlanId } from "../../src/domain/id.ts";
import { hasEnded, NO_RETRY } from "../../src/domain/step.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";
import { isNotUndone } from "../support/plan-invariants.ts";
import { workStep } from "../support/random-graph.ts";
import type { Dice } from "../support/random-graph.ts";
import { variedSteps } from "../support/random-plan.ts";
import type { Observer, StoredPlan } from "./observer.ts";
import type { SimulatedServer } from "./server.ts";
import type { Process } from "./world.ts";

export interface OperatorOptions {
  readonly clients: Process;
  readonly observer: Observer;
  readonly heavy: HeavyWork;
  readonly anyServer: () => SimulatedServer | undefined;
}

/** An answer that takes longer is not waited for: the call is made again under its key. */
const PATIENCE_MS = 5_000;
const NO_CONSTRAINTS = { budget: { ...NO_LIMITS, currency: "" }, deadlineMs: null, minTrust: 0 };

export class Operators {
  readonly #o: OperatorOptions;
  #keys = 0;
  /** Plans that were asked for and not answered yet. */
  open = 0;

  constructor(options: OperatorOptions) {
    this.#o = options;
  }

  /** Commits a plan under a charter of its own. */
  commit(name: string): void {
    const { clients, heavy, observer } = this.#o;
    const { dice } = clients;
    this.open += 1;
    const steps = dice.chance(0.15)
      ? chain(dice)
      : variedSteps(dice, 3 + dice.below(7)).map((step) => timed(dice, step));
    const worst = steps.reduce((sum, step) => plus(sum, step.hold), NOTHING);
    const tokens = dice.chance(0.5) ? Math.ceil(worst.tokens * 1.2) + 40 : null;
    const terms = {
      purpose: "",
      budget: { ...NO_LIMITS, tokens, currency: "USD" },
      deadlineMs: dice.chance(0.3) ? 3_000 + dice.below(20_000) : null,
      minTrust: 0,
      ratifyCommits: dice.chance(0.1),
      staleRule: dice.pick(["RERUN", "KEEP"] as const),
      release: NO_RELEASE_POLICY,
    };
    const spec = {
      name,
      intent: "",
      inputs: { kind: "json" as const, text: '{"ref":"main"}' },
      constraints: NO_CONSTRAINTS,
      labels: {},
      attributes: {},
    };
    this.#call(charterDeclare, "charter.declare", { name, terms, expectedRevision: 0 }, () => {
      const target = { kind: "new" as const, charter: name, spec };
      this.#call(maestroPlan(heavy), "maestro.plan", { target, steps, acceptLate: true }, (answer) => {
        this.open -= 1;
        if (answer === undefined) return;
        if (!observer.snapshot.has(answer.plan.planId)) clients.world.violated("a plan was answered and is not there");
        clients.world.count("plans");
      });
    });
  }

  /** Something to one of the plans. */
  disturb(): void {
    const { clients, observer, heavy } = this.#o;
    const { dice } = clients;
    const plans = [...observer.snapshot.values()].filter(({ plan }) => plan.activeVersion > 0);
    if (plans.length === 0) return;
    const live = plans.filter(({ plan }) => !planHasEnded(plan.state));
    const stored = dice.pick(live.length > 0 && dice.chance(0.8) ? live : plans);
    const { planId } = stored.plan;
    const rows = [...stored.steps.values()].filter((row) => row.current);
    if (rows.length === 0) return;
    const row = dice.pick(rows);
    const step = { planId, step: row.key, reason: "chance" };
    const asked = { planId, reason: "chance" };
    const verbs: Readonly<Record<string, () => void>> = {
      suspend: () => {
        this.#call(planSuspend, "plan.suspend", asked);
        clients.timers.after(1_000 + dice.below(3_000), () => {
          this.#call(planResume, "plan.resume", asked);
        });
      },
      retry: () => {
        const failed = [...stored.steps.values()].filter(
          ({ state, current }) =>
            state === "COMPENSATION_FAILED" || (current && (state === "FAILED" || state === "BACKING_OFF")),
        );
        if (failed.length === 0) return;
        const { key, ordinal } = dice.pick(failed);
        this.#call(stepRetry, "step.retry", { ...asked, step: key, ordinal: dice.chance(0.5) ? ordinal : 0 });
      },
      hold: () => {
        this.#call(stepHold, "step.hold", step);
      },
      release: () => {
        this.#call(stepRelease, "step.release", step);
      },
      skip: () => {
        this.#call(stepSkip, "step.skip", step);
      },
      rerun: () => {
        const done = rows.filter(({ state, undoing }) => hasEnded(state) && !undoing);
        const { key } = done.length === 0 ? row : dice.pick(done);
        const order = dice.chance(0.7) ? ("UNDO_FIRST" as const) : ("AT_ONCE" as const);
        this.#call(stepRerun(heavy), "step.rerun", {
          ...asked,
          step: key,
          cascade: dice.chance(0.5),
          order,
          dryRun: false,
        });
      },
      resolve: () => {
        const open = rows.filter(({ state }) => !hasEnded(state) || state === "COMPENSATING");
        this.#resolve(planId, open.length === 0 ? row : dice.pick(open));
      },
      "change steps": () => {
        const verb = dice.pick(["retry", "hold", "release", "skip"] as const);
        const states = verb === "retry" && dice.chance(0.5) ? (["COMPENSATION_FAILED", "FAILED"] as const) : [];
        const page = { limit: 1 + dice.below(5), after: null };
        this.#call(stepChange, "step.change", { ...asked, verb, states, keys: "", dryRun: false, page });
      },
      "change plans": () => {
        const verb = dice.pick(["suspend", "resume", "resume"] as const);
        const wish = { verb, charter: "", filter: 'name != ""', reason: "chance", compensate: false, dryRun: false };
        this.#call(planChange, "plan.change", { ...wish, page: { limit: 10, after: null } });
        if (verb === "suspend")
          clients.timers.after(1_000, () => {
            this.#call(planResume, "plan.resume", asked);
          });
      },
      replan: () => {
        this.#replan(stored, heavy);
      },
      cancel: () => {
        if (dice.chance(0.4)) this.#call(planCancel, "plan.cancel", { ...asked, compensate: dice.chance(0.5) });
      },
      decide: () => {
        this.#decide(stored);
      },
    };
    // Some are as likely as several.
    verbs[dice.pick([...Object.keys(verbs), "retry", "replan", "rerun"])]?.();
  }

  /** An operator says what a row came to. */
  #resolve(planId: PlanId, row: StepRow): void {
    const { dice } = this.#o.clients;
    const outputs = `{"value":${String(dice.below(80))}}`;
    this.#call(stepResolve, "step.resolve", {
      planId,
      step: row.key,
      ordinal: row.ordinal,
      reason: "seen",
      result: { kind: "success", outputs: { kind: "json", text: outputs }, outputsDigest: digestOfText(outputs) },
      usage: dice.chance(0.5) ? { ...NOTHING, tokens: dice.below(20) } : null,
      fencing: dice.chance(0.5) ? row.fencing : 0,
    });
  }

  /** Nothing waits for an operator any more. */
  settle(): void {
    for (const stored of this.#o.observer.snapshot.values()) {
      const { planId, state } = stored.plan;
      if (planHasEnded(state)) continue;
      if (state === "SUSPENDED") this.#call(planResume, "plan.resume", { planId, reason: "the end" });
      if (stored.pending.length > 0) this.#decide(stored);
      for (const row of stored.steps.values())
        if (row.heldBack && row.current)
          this.#call(stepRelease, "step.release", { planId, step: row.key, reason: "the end" });
        else if (isNotUndone(stored, row)) this.#resolve(planId, row);
    }
  }

  #decide(stored: StoredPlan): void {
    const { clients, heavy } = this.#o;
    const [approval] = stored.pending;
    if (approval === undefined) return;
    const request = {
      approvalId: approval.approvalId,
      approve: clients.dice.chance(0.8),
      digest: approval.digest,
      comment: "",
    };
    this.#call(approvalDecide(heavy), "approval.decide", request);
  }

  #replan(stored: StoredPlan, heavy: HeavyWork): void {
    const { dice } = this.#o.clients;
    const { planId, activeVersion } = stored.plan;
    const definitions = stored.definitionsOf(activeVersion);
    const upsert = definitions
      .filter(() => dice.chance(0.3))
      .map((step) => ({ ...step, title: `v${String(activeVersion + 1)}`, priority: dice.below(3) }));
    const needed = new Set(definitions.flatMap((step) => step.needs.map((need) => need.step)));
    const free = definitions.filter((step) => !needed.has(step.key) && !upsert.some((other) => other.key === step.key));
    const remove = free.length > 0 && dice.chance(0.3) ? [dice.pick(free).key] : [];
    this.#call(graphReplan(heavy), "graph.replan", {
      planId,
      upsert,
      remove,
      dryRun: false,
      expectedActiveVersion: activeVersion,
      expectedRevision: 0,
      reason: "chance",
      constraints: null,
    });
  }

  /** Again under its key, at whatever server, until somebody answers. */
  #call<Req, Res>(
    operation: Operation<Req, Res>,
    name: string,
    request: Req,
    answered: (answer: Res | undefined) => void = () => undefined,
  ): void {
    const { clients, anyServer } = this.#o;
    const { world, dice, timers } = clients;
    const key = `k${String(++this.#keys)}`;
    // Nobody approves what they asked for.
    const who = name === "approval.decide" ? "approver" : "operator";
    let isAnswered = false;
    let tries = 0;
    const attempt = (): void => {
      if (isAnswered) return;
      const server = anyServer();
      const mine = ++tries;
      const again = (ms: number): void => {
        timers.after(ms, () => {
          if (mine === tries) attempt();
        });
      };
      again(PATIENCE_MS);
      if (server === undefined) return;
      server.process.timers.after(dice.below(5), () => {
        server.call(operation, name, request, { who, key }).then(
          (decision) => {
            if (isAnswered) return;
            world.note(name, decision.ok ? "done" : decision.refusal.reason, key);
            if (!decision.ok && decision.refusal.retryable) {
              again(300);
              return;
            }
            isAnswered = true;
            world.count(decision.ok ? `done: ${name}` : `refused: ${name}`);
            answered(decision.ok ? decision.value : undefined);
          },
          (error: unknown) => {
            server.trouble(name, error);
          },
        );
      });
    };
    attempt();
  }
}

/** Time limits and backoffs that come up within a seed. */
function timed(dice: Dice, step: StepDefinition): StepDefinition {
  const maxAttempts = dice.chance(0.5) ? 2 + dice.below(3) : step.retry.maxAttempts;
  const retry = {
    ...step.retry,
    maxAttempts,
    initialBackoffMs: dice.chance(0.5) ? step.retry.initialBackoffMs : dice.below(1_500),
  };
  return { ...step, retry, timeoutMs: 2_000 + dice.below(4_000) };
}

/** Longer than a transaction follows: when its first step fails, the rest is skipped by a cascade. */
function chain(dice: Dice): readonly StepDefinition[] {
  return Array.from({ length: 24 }, (_, i) =>
    workStep(`link${String(i)}`, {
      needs: i === 0 ? [] : [{ step: `link${String(i - 1)}`, regardless: false }],
      onFailure: "SKIP_DEPENDENTS",
      timeoutMs: 2_000 + dice.below(1_000),
      retry: NO_RETRY,
    }),
  );
}

/** Whether the plan has come to its end, or to one that nobody can move: it was not ratified, or its budget is used up. */
export function isSettled(stored: StoredPlan, movers: readonly string[]): boolean {
  const { state, activeVersion, pendingVersion } = stored.plan;
  if (activeVersion + pendingVersion === 0) return true;
  return planHasEnded(state) || (movers.length > 0 && movers.every((mover) => mover === "starved"));
}
