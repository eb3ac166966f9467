// A handler on its own: one attempt without a server, through the executor library itself, so that what comes out is what
// would be sent. Not here: what the library does with it (executor/attempt.ts), and servers (server.ts).
import { create } from "@bufbuild/protobuf";
import type { JsonValue } from "@bufbuild/protobuf";
import { BudgetSchema } from "../../gen/maestro/v1/amounts_pb.ts";
import type { Budget } from "../../gen/maestro/v1/amounts_pb.ts";
import { AssignmentSchema, LeaseSchema, Purpose } from "../../gen/maestro/v1/dispatch_pb.ts";
import type { Assignment, Lease, Renewal } from "../../gen/maestro/v1/dispatch_pb.ts";
import { Attempt } from "../executor/attempt.ts";
import { amounts, duration, jsonPayload, timestamp, valueOf } from "../executor/convert.ts";
import type { Handler, RemainingBudget, Step, StepContext, Usage } from "../executor/step.ts";
import { MovableClock } from "./clock.ts";
import { Contents } from "./contents.ts";
import { outcomeOf } from "./outcome.ts";
import type { HandlerOutcome, Told } from "./outcome.ts";
import { spanMs } from "./span.ts";
import type { Span } from "./span.ts";

/** What the handler is called with; whatever is left out is what a first attempt of a plain step has. */
export interface HandlerCall<Input = JsonValue> {
  readonly input?: Input;
  /** Key of the step; `step` unless given. */
  readonly key?: string;
  /** `test` unless given. */
  readonly capability?: string;
  readonly planId?: string;
  readonly orgId?: string;
  readonly fencing?: bigint;
  readonly traceparent?: string;
  readonly purpose?: "execute" | "compensate";
  /** 1 unless given. */
  readonly attempt?: number;
  readonly idempotencyKey?: string;
  /** The attempt's time is up that long after it began; never unless given. */
  readonly timeout?: Span;
  readonly hold?: Usage;
  readonly remainingBudget?: Partial<RemainingBudget>;
  /** Checkpoint of an earlier attempt. */
  readonly lastCheckpoint?: JsonValue;
  /** Content that `getArtifact` finds, by address; texts are UTF-8. */
  readonly contents?: Readonly<Record<string, Uint8Array | string>>;
}

/** Performs one attempt and says what it came to. Never throws for what the handler does. */
export async function runHandler<Input = JsonValue>(
  handler: Handler<Input>,
  call: HandlerCall<Input> = {},
): Promise<HandlerOutcome> {
  return await startHandler(handler, call).ended;
}

/** Begins an attempt that the test can wait for, stop, or let run out of time. */
export function startHandler<Input = JsonValue>(handler: Handler<Input>, call: HandlerCall<Input> = {}): HandlerRun {
  return new HandlerRun(handler as Handler, call as HandlerCall);
}

/** A handler at work. */
export class HandlerRun {
  /** What it came to; never rejects. */
  readonly ended: Promise<HandlerOutcome>;
  readonly #clock = new MovableClock();
  readonly #attempt: Attempt;
  readonly #contents: Contents;
  readonly #told: { lines: Told["lines"][number][]; progress: Told["progress"][number][]; checkpoints: JsonValue[] } = {
    lines: [],
    progress: [],
    checkpoints: [],
  };
  readonly #waiting = new Set<() => void>();
  #number = 0n;
  #over = false;

  constructor(handler: Handler, call: HandlerCall) {
    const assignment = assignmentOf(call, this.#clock.nowMs());
    const lease = assignment.lease as Lease;
    this.#contents = new Contents(call.contents ?? {});
    this.#attempt = new Attempt(assignment, lease, this.#clock, this.#contents);
    // At once: what the test does next finds the handler where it first waits.
    this.ended = this.#run(handler);
  }

  /** What it has told so far. */
  get told(): Told {
    return this.#told;
  }

  /** Resolves as soon as that holds of what it has told; rejects when it ends before. */
  async until(holds: (told: Told) => boolean): Promise<void> {
    while (!holds(this.#told)) {
      if (this.#over) throw new Error("the handler ended before that held");
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Moves its clock ahead; its time may be up then. */
  skip(span: Span): void {
    this.#clock.moveTo(this.#clock.aheadMs + spanMs(span));
  }

  /** The server wants it stopped, and an outcome of it. */
  stop(reason = "stopped by the test"): void {
    this.#attempt.interrupt("stopped", reason);
  }

  /** Its lease is gone: nobody waits for an outcome. */
  lose(reason = "lost by the test"): void {
    this.#attempt.interrupt("lost", reason);
  }

  /** Its executor is told to end at once. */
  shutDown(reason = "shut down by the test"): void {
    this.#attempt.interrupt("shutdown", reason);
  }

  async #run(handler: Handler): Promise<HandlerOutcome> {
    const outcome = await this.#attempt.run((step, context) => handler(step, this.#heard(step, context)));
    this.#over = true;
    this.#stir();
    return outcomeOf(outcome, this.#attempt.lost, { ...this.#told, contents: this.#contents.kept });
  }

  /** Whatever the handler tells is taken as the message that would carry it: within the library's bounds, in its form. */
  #heard(_: Step, context: StepContext): StepContext {
    return {
      ...context,
      log: (text, stream) => {
        context.log(text, stream);
        this.#take();
      },
      progress: (share, message) => {
        context.progress(share, message);
        for (const renewal of this.#take()) {
          this.#told.progress.push({ share: renewal.progress, message: renewal.message });
          this.#stir();
        }
      },
      checkpoint: (value) => {
        context.checkpoint(value);
        this.#take();
      },
      usage: (used) => {
        context.usage(used);
        this.#take();
      },
    };
  }

  #take(): Renewal[] {
    const taken: Renewal[] = [];
    for (;;) {
      const renewal = this.#attempt.takeRenewal(++this.#number);
      if (renewal === undefined) break;
      this.#attempt.acknowledge(this.#number);
      taken.push(renewal);
      for (const { stream, text } of renewal.lines) this.#told.lines.push({ stream, text });
      const checkpoint = valueOf(renewal.checkpoint);
      if (checkpoint !== undefined) this.#told.checkpoints.push(checkpoint as JsonValue);
    }
    this.#stir();
    return taken;
  }

  #stir(): void {
    for (const go of this.#waiting) go();
    this.#waiting.clear();
  }
}

const NOBODY = "00000000000000000000000000";

function assignmentOf(call: HandlerCall, nowMs: number): Assignment {
  const { key = "step", capability = "test", planId = `plan_${NOBODY}`, orgId = `org_${NOBODY}` } = call;
  const { fencing = 1n, attempt = 1, purpose = "execute", timeout, hold, remainingBudget, lastCheckpoint } = call;
  return create(AssignmentSchema, {
    lease: create(LeaseSchema, { planId, step: key, ordinal: 1, fencing }),
    purpose: purpose === "compensate" ? Purpose.COMPENSATE : Purpose.EXECUTE,
    capability,
    orgId,
    attempt,
    traceparent: call.traceparent ?? "",
    idempotencyKey: call.idempotencyKey ?? `${planId}/${key}`,
    readyAt: timestamp(nowMs),
    ...(call.input !== undefined && { input: jsonPayload(call.input) }),
    ...(timeout !== undefined && { deadline: timestamp(nowMs + spanMs(timeout)) }),
    ...(hold !== undefined && { hold: amounts({ ...NOTHING, ...hold }) }),
    ...(remainingBudget !== undefined && { remainingBudget: budgetOf(remainingBudget) }),
    ...(lastCheckpoint !== undefined && { checkpoint: jsonPayload(lastCheckpoint) }),
  });
}

const NOTHING: Required<Usage> = { tokens: 0, moneyMicros: 0, energyJoules: 0, wallMs: 0 };

function budgetOf({ currency = "", tokens, moneyMicros, energyJoules, wallMs }: Partial<RemainingBudget>): Budget {
  return create(BudgetSchema, {
    currency,
    ...(tokens !== undefined && { tokens: BigInt(tokens) }),
    ...(moneyMicros !== undefined && { moneyMicros: BigInt(moneyMicros) }),
    ...(energyJoules !== undefined && { energyMillijoules: BigInt(Math.round(energyJoules * 1000)) }),
    ...(wallMs !== undefined && { wall: duration(wallMs) }),
  });
}
