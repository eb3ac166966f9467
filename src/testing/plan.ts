// A plan on a test server: waiting for what becomes of it, without sleeping. Not here: the server, see server.ts.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { ApprovalState } from "../../gen/maestro/v1/approval_pb.ts";
import { PlanStateSchema } from "../../gen/maestro/v1/plan_pb.ts";
import { ErrorClassSchema, StepStateSchema } from "../../gen/maestro/v1/step_pb.ts";
import type { Step as StepMessage } from "../../gen/maestro/v1/step_pb.ts";
import type { ServerClient } from "../cli/client.ts";
import { follow } from "../cli/follow.ts";
import { word } from "../cli/words.ts";
import { epochMsOf, usageOf, valueOf } from "../executor/convert.ts";
import type { FailureDetails } from "../executor/errors.ts";
import type { Usage, Value } from "../executor/step.ts";
import { uuidOf } from "../support/typeid.ts";
import type { ErrorClassName } from "./outcome.ts";
import { spanMs } from "./span.ts";
import type { Span } from "./span.ts";

/** A step as it stands; states are the contract's words, such as `SUCCEEDED`. */
export interface StepView {
  readonly key: string;
  readonly state: string;
  readonly attempt: number;
  readonly input: Value | undefined;
  readonly outputs: JsonObject | undefined;
  readonly failure:
    { readonly errorClass: ErrorClassName; readonly message: string; readonly details: FailureDetails } | undefined;
  readonly usage: Usage;
  /** When its next attempt may begin, milliseconds since the epoch. */
  readonly notBeforeMs: number | undefined;
  /** How it may be asked for by people, in the server's words; empty when it was never leased. */
  readonly executorId: string;
}

export interface PlanView {
  readonly id: string;
  readonly goalId: string;
  /** Such as `COMPLETED`. */
  readonly state: string;
  readonly steps: Readonly<Record<string, StepView>>;
}

export interface Waiting {
  /** Longest wait by the machine's own clock; 20 s unless given. */
  readonly within?: Span;
}

const WITHIN_MS = 20_000;
/** States in which a step is somebody's turn: time is not to be skipped. */
const BUSY: ReadonlySet<string> = new Set(["READY", "LEASED", "STOPPING", "COMPENSATING"]);
const OVER: ReadonlySet<string> = new Set(["COMPLETED", "FAILED", "CANCELLED"]);

interface Time {
  nowMs(): number;
  skip(ms: number): Promise<void>;
  nextDueMs(planUuid: string): Promise<number | undefined>;
}

/** A plan that was committed on a test server. */
export class TestPlan {
  readonly id: string;
  readonly goalId: string;
  readonly #client: ServerClient;
  readonly #time: Time;
  readonly #down: AbortSignal;

  constructor(
    ids: { readonly id: string; readonly goalId: string },
    client: ServerClient,
    time: Time,
    down: AbortSignal,
  ) {
    this.id = ids.id;
    this.goalId = ids.goalId;
    this.#client = client;
    this.#time = time;
    this.#down = down;
  }

  /** The plan and all its steps as they stand. */
  async view(): Promise<PlanView> {
    const { plan } = await this.#client.plans.getPlan({ planId: this.id });
    if (plan === undefined) throw new Error(`the server shows no ${this.id}`);
    const steps: StepView[] = [];
    for (let pageToken = ""; ;) {
      const page = await this.#client.steps.listSteps({ planId: this.id, pageSize: 1000, pageToken });
      steps.push(...page.steps.map(stepView));
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    return {
      id: this.id,
      goalId: this.goalId,
      state: word(PlanStateSchema, plan.state),
      steps: Object.fromEntries(steps.map((step) => [step.key, step])),
    };
  }

  /** One step as it stands; throws when there is none. */
  async step(key: string): Promise<StepView> {
    const { step } = await this.#client.steps.getStep({ planId: this.id, step: key });
    if (step === undefined) throw new Error(`${this.id} has no step ${key}`);
    return stepView(step);
  }

  /** Resolves as soon as that holds, with the plan as it was then. Rejects when time is up, saying how the plan stands. */
  async until(
    holds: (plan: PlanView) => boolean | Promise<boolean>,
    { within = WITHIN_MS }: Waiting = {},
  ): Promise<PlanView> {
    const late = AbortSignal.timeout(spanMs(within));
    const after = (await this.#client.plans.getPlan({ planId: this.id })).plan?.recordSequence ?? 0n;
    let seen = await this.view();
    if (await holds(seen)) return seen;
    for await (const news of follow(this.#client, this.id, after, AbortSignal.any([late, this.#down]))) {
      if (news.kind === "broken") continue;
      seen = await this.view();
      if (await holds(seen)) return seen;
    }
    const why = late.aborted ? "time is up" : this.#down.aborted ? "the server was closed" : "the plan has ended";
    throw new Error(`${why}, and what was waited for does not hold: ${described(seen)}`);
  }

  /** Resolves as soon as the step is in one of these states. */
  async stepIs(key: string, states: string | readonly string[], waiting?: Waiting): Promise<StepView> {
    const wanted = typeof states === "string" ? [states] : states;
    const plan = await this.until(({ steps }) => wanted.includes(steps[key]?.state ?? ""), waiting);
    return plan.steps[key] as StepView;
  }

  /**
   * Resolves when the plan has ended. With `skip`, time is moved ahead whenever nothing of the plan is anybody's turn and something
   * of it waits for a moment, such as a retry for its back-off: hours of waiting take no time.
   */
  async ended({ skip = false, ...waiting }: Waiting & { readonly skip?: boolean } = {}): Promise<PlanView> {
    return await this.until(async ({ state, steps }) => {
      if (OVER.has(state)) return true;
      if (skip && !Object.values(steps).some((step) => BUSY.has(step.state))) await this.#skipToNext();
      return false;
    }, waiting);
  }

  /** Answers the question that the plan waits with, or a step of it. Rejects when there is none. */
  async answer(approve: boolean, comment = ""): Promise<void> {
    const open: { readonly approvalId: string; readonly digest: string }[] = [];
    for (let pageToken = ""; ;) {
      const page = await this.#client.approvals.listApprovals({ planId: this.id, pageSize: 100, pageToken });
      open.push(...page.approvals.filter(({ state }) => state === ApprovalState.PENDING));
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
    const [asked] = open;
    if (asked === undefined) throw new Error(`${this.id} waits for no approval`);
    await this.#client.approvals.decideApproval({
      approvalId: asked.approvalId,
      approve,
      digest: asked.digest,
      comment,
      idempotencyKey: this.#client.newKey(),
    });
  }

  async cancel({ compensate = false, reason = "" }: { compensate?: boolean; reason?: string } = {}): Promise<void> {
    await this.#client.plans.cancelPlan({
      planId: this.id,
      compensate,
      reason,
      idempotencyKey: this.#client.newKey(),
    });
  }

  async #skipToNext(): Promise<void> {
    const dueMs = await this.#time.nextDueMs(uuidOf(this.id, "plan") ?? "");
    const leftMs = dueMs === undefined ? 0 : dueMs - this.#time.nowMs();
    if (leftMs > 0) await this.#time.skip(leftMs);
  }
}

function stepView(step: StepMessage): StepView {
  const { key, attempt, failure, executorId } = step;
  return {
    key,
    state: word(StepStateSchema, step.state),
    attempt,
    executorId,
    input: valueOf(step.input),
    outputs: valueOf(step.outputs) as JsonObject | undefined,
    failure: failure && {
      errorClass: word(ErrorClassSchema, failure.errorClass) as ErrorClassName,
      message: failure.message,
      details: (failure.detailsJson === "" ? {} : JSON.parse(failure.detailsJson)) as FailureDetails & JsonValue,
    },
    usage: usageOf(step.usage),
    notBeforeMs: epochMsOf(step.notBefore),
  };
}

const MOST_DESCRIBED = 10;

function described({ id, state, steps }: PlanView): string {
  const open = Object.values(steps).filter((step) => !["SUCCEEDED", "SKIPPED", "COMPENSATED"].includes(step.state));
  const told = open.slice(0, MOST_DESCRIBED).map((step) => {
    const why = step.failure === undefined ? "" : ` (${step.failure.errorClass}: ${step.failure.message})`;
    return `${step.key} ${step.state}${why}`;
  });
  const more = open.length > told.length ? [`${open.length - told.length} more`] : [];
  return `${id} is ${state}; ${[...told, ...more].join(", ") || "all its steps are done"}`;
}
