// The executor library, `maestro/executor`: performs steps that Maestro pushes over a stream. Not here: one attempt
// (attempt.ts), the stream (link.ts), what handlers see (step.ts).
import "./node-version.ts";
import { create } from "@bufbuild/protobuf";
import type { JsonValue } from "@bufbuild/protobuf";
import type { Assignment, Outcome } from "../../gen/maestro/v1/dispatch_pb.ts";
import {
  DrainSchema,
  HelloSchema,
  OutcomesSchema,
  RenewalsSchema,
  SlotsSchema,
} from "../../gen/maestro/v1/dispatch_service_pb.ts";
import type {
  AttachResponse,
  Goodbye,
  Hello,
  OutcomeAck,
  Stop,
  Welcome,
} from "../../gen/maestro/v1/dispatch_service_pb.ts";
import { systemClock } from "../support/clock.ts";
import type { Clock } from "../support/clock.ts";
import { systemRandom } from "../support/random.ts";
import { Attempt, leaseKey } from "./attempt.ts";
import { Artifacts } from "./artifacts.ts";
import { msOf } from "./convert.ts";
import { specOf } from "./options.ts";
import type { ExecutorEvent, ExecutorOptions } from "./options.ts";
import { Handlers } from "./handlers.ts";
import { Link } from "./link.ts";
import { Outbox } from "./outbox.ts";
import { fromError, returned, unstarted } from "./result.ts";
import { Refuse } from "./errors.ts";
import type { Handler } from "./step.ts";
import { finalRefusal, parseAddress, refusedBy } from "./wire.ts";

export { Interruption, PermanentError, Refuse, RefusedByServer, TransientError } from "./errors.ts";
export type { FailureDetails, InterruptionCause } from "./errors.ts";
export type { ExecutorEvent, ExecutorOptions } from "./options.ts";
export type { Artifact, Handler, RemainingBudget, Step, StepContext, StoredArtifact, Usage, Value } from "./step.ts";

const BROKEN = "the lease was lost while the stream was broken";
/** Most leases that a hello may list. */
const MOST_HELD = 4_096;
const RETRY_OUTCOME_MS = 1_000;
/** How long the end waits for a server that should say goodbye, and for a stream that should close. */
const FAREWELL_MS = 5_000;

/**
 * Performs steps.
 *
 * ```ts
 * const executor = new Executor({ url: "http://127.0.0.1:8002", name: "resizer-1", slots: 4 });
 * executor.on("image.resize", async (step, context) => {
 *   context.log(`resizing ${step.key}`);
 *   return { width: 640 };
 * });
 * await executor.start();
 * await executor.closed;
 * ```
 *
 * A handler may run more than once for one step: effects happen at least once, outcomes count exactly once. A lost stream
 * or a restarted server does not end what runs: the executor attaches again and goes on under the same lease.
 */
export class Executor {
  /** Resolves when the executor has ended in order; rejects with `RefusedByServer` when the server will not have it. */
  readonly closed: Promise<void>;
  readonly #options: ExecutorOptions;
  readonly #clock: Clock;
  readonly #link: Link;
  readonly #artifacts: Artifacts;
  readonly #incarnation: string;
  readonly #handlers = new Handlers();
  readonly #attempts = new Map<string, Attempt>();
  readonly #outbox = new Outbox();
  readonly #ended = Promise.withResolvers<void>();
  readonly #attached = Promise.withResolvers<void>();
  readonly #onSignal = (signal: NodeJS.Signals): void => this.#signalled(signal);
  #slots: number;
  #farewell: NodeJS.Timeout | undefined;
  #flushing = false;
  #started = false;
  #draining = false;
  #over = false;

  /** Throws a TypeError when the address is none, or the key cannot be one. */
  constructor(options: ExecutorOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const random = options.random ?? systemRandom();
    this.#incarnation = Buffer.from(random.bytes(16)).toString("hex");
    this.#artifacts = new Artifacts(parseAddress(options.url), options.apiKey, random);
    this.#link = new Link(
      { address: parseAddress(options.url), apiKey: options.apiKey, clock: this.#clock, random },
      {
        hello: () => this.#hello(),
        message: (message) => this.#receive(message),
        lost: (error) => this.#lostStream(error),
        detached: (reason, retryInMs) => this.#observe({ kind: "detached", reason, retryInMs }),
        tick: () => this.#signOfLife(),
      },
    );
    this.#slots = options.slots ?? 1;
    this.closed = this.#ended.promise;
    // Whoever does not ask how it ended is not to be ended by it.
    this.closed.catch(() => undefined);
    this.#attached.promise.catch(() => undefined);
  }

  /** Registers what performs steps of a capability. `Input` is what the handler expects; nothing checks it. */
  on<Input = JsonValue>(capability: string, handler: Handler<Input>): this {
    this.#handlers.register(capability, handler as Handler, "execute");
    return this;
  }

  /** Registers what undoes steps of a capability. Without one, the handler of `on` is called with `purpose` `compensate`. */
  onCompensate<Input = JsonValue>(capability: string, handler: Handler<Input>): this {
    this.#handlers.register(capability, handler as Handler, "compensate");
    return this;
  }

  /**
   * Attaches, and resolves when the server said welcome; a server that is away is tried again until it is there.
   * Throws a TypeError for options that cannot work, and rejects with `RefusedByServer` when trying again cannot help.
   */
  async start(): Promise<void> {
    if (this.#started) throw new Error("this executor was started before");
    specOf(this.#options, this.#handlers.capabilities);
    this.#started = true;
    this.#handlers.fix();
    for (const signal of this.#options.drainOn ?? ["SIGTERM"]) process.on(signal as NodeJS.Signals, this.#onSignal);
    this.#link.open();
    await this.#attached.promise;
  }

  /** How many steps to perform at once from now on; 0 pauses, what runs goes on. */
  setSlots(slots: number): void {
    if (!Number.isInteger(slots) || slots < 0 || slots > 4096)
      throw new RangeError("slots must be a whole number from 0 to 4096");
    this.#slots = slots;
    this.#link.say({ case: "slots", value: create(SlotsSchema, { slots }) });
  }

  /** Takes no new steps, finishes what runs, delivers every outcome, and closes. */
  async drain(reason = "asked to"): Promise<void> {
    if (!this.#draining && !this.#over) {
      this.#draining = true;
      this.#observe({ kind: "draining", reason });
      this.#link.say({ case: "drain", value: create(DrainSchema) });
      this.#closeWhenEmpty();
    }
    await this.closed;
  }

  /**
   * Drains for at most `graceMs`, then interrupts what still runs; its steps go to other executors without burning a retry.
   * Outcomes that cannot be delivered within five seconds more are given up: the server finds their leases ended.
   */
  async stop(graceMs = 0): Promise<void> {
    const hurry = setTimeout(() => this.#interruptAll("the executor was stopped"), graceMs);
    const giveUp = setTimeout(() => this.close(), graceMs + FAREWELL_MS);
    try {
      await this.drain("stopped");
    } finally {
      clearTimeout(hurry);
      clearTimeout(giveUp);
    }
  }

  /** Ends at once, as if the process had died: nothing more is delivered, and what ran is run again elsewhere. */
  close(): void {
    this.#end();
  }

  /** Attempts that run now. */
  get running(): number {
    return this.#attempts.size;
  }

  #hello(): Hello {
    this.#outbox.allAgain();
    for (const attempt of this.#attempts.values()) attempt.resend();
    // Leases of unsent outcomes count as held until those are taken; a server that read the list alone would return them.
    const unacknowledged = this.#outbox.outcomes();
    const running = [...this.#attempts.values()].map(({ lease }) => lease);
    return create(HelloSchema, {
      spec: specOf({ ...this.#options, slots: Math.max(1, this.#slots) }, this.#handlers.capabilities),
      incarnation: this.#incarnation,
      held: [...running, ...unacknowledged.flatMap(({ lease }) => lease ?? [])].slice(0, MOST_HELD),
      unsent: this.#outbox.nextBatch(),
    });
  }

  #receive({ message, acks, acknowledged }: AttachResponse): void {
    for (const attempt of this.#attempts.values()) attempt.acknowledge(acknowledged);
    for (const ack of acks) this.#acknowledged(ack);
    if (acks.length > 0) this.#closeWhenEmpty();
    switch (message.case) {
      case "welcome":
        this.#welcome(message.value);
        break;
      case "assignments":
        for (const assignment of message.value.assignments) this.#take(assignment);
        break;
      case "stops":
        for (const stop of message.value.stops) this.#stopAttempt(stop);
        break;
      case "goodbye":
        this.#goodbye(message.value);
        break;
      case "heartbeat":
      case undefined:
    }
  }

  #welcome(welcome: Welcome): void {
    this.#link.settle();
    this.#observe({
      kind: "attached",
      executorId: welcome.executorId,
      orgId: welcome.orgId,
      resumed: welcome.resumed.length,
      lost: welcome.lost.length,
    });
    for (const lease of welcome.lost) this.#stopAttempt({ lease, reason: BROKEN, outcomeWanted: false });
    if (this.#slots !== (this.#options.slots ?? 1)) this.setSlots(this.#slots);
    if (this.#draining) this.#link.say({ case: "drain", value: create(DrainSchema) });
    this.#attached.resolve();
    this.#flush();
    this.#closeWhenEmpty();
  }

  #take(assignment: Assignment): void {
    const { lease, capability } = assignment;
    // A server that is not sure whether an assignment arrived sends it again.
    if (lease === undefined || this.#attempts.has(leaseKey(lease)) || this.#outbox.has(leaseKey(lease))) return;
    const handler = this.#handlers.of(assignment);
    if (this.#draining)
      return this.#settle(unstarted(lease, returned("the executor is draining"), this.#clock.nowMs()));
    if (handler === undefined) {
      return this.#settle(
        unstarted(
          lease,
          fromError(new Refuse(`this executor has no handler for ${capability}`), undefined),
          this.#clock.nowMs(),
        ),
      );
    }
    const attempt = new Attempt(assignment, lease, this.#clock, this.#artifacts);
    this.#attempts.set(leaseKey(lease), attempt);
    this.#observe({ kind: "started", planId: lease.planId, key: lease.step, fencing: lease.fencing });
    void attempt.run(handler).then((outcome) => this.#finished(attempt, outcome));
  }

  #finished(attempt: Attempt, outcome: Outcome): void {
    if (attempt.lost) {
      this.#attempts.delete(leaseKey(attempt.lease));
      this.#closeWhenEmpty();
      return;
    }
    // Its last words go first: after the outcome nobody listens to the attempt any more.
    this.#renew();
    this.#attempts.delete(leaseKey(attempt.lease));
    this.#settle(outcome);
  }

  #settle(outcome: Outcome): void {
    const { lease, result } = outcome;
    if (lease === undefined || result.case === undefined) return;
    this.#outbox.put(leaseKey(lease), outcome);
    const message =
      result.case === "refusal" ? result.value.explanation : result.case === "success" ? "" : result.value.message;
    this.#observe({
      kind: "finished",
      planId: lease.planId,
      key: lease.step,
      fencing: lease.fencing,
      result: result.case,
      message,
    });
    if (this.#flushing) return;
    this.#flushing = true;
    // Whatever ends in the same turn of the event loop travels in one message.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#link.welcomed) return;
    for (let outcomes = this.#outbox.nextBatch(); outcomes.length > 0; outcomes = this.#outbox.nextBatch()) {
      this.#link.say({ case: "outcomes", value: create(OutcomesSchema, { outcomes }) });
    }
  }

  #acknowledged({ lease, result }: OutcomeAck): void {
    if (lease === undefined) return;
    const key = leaseKey(lease);
    if (result.case === "refusal") {
      const refusal = result.value;
      if (refusal.retryable) {
        setTimeout(() => this.#tellAgain(key), msOf(refusal.retryAfter) ?? RETRY_OUTCOME_MS).unref();
        return;
      }
      const reason = refusedBy(refusal).message;
      this.#observe({ kind: "outcome refused", planId: lease.planId, key: lease.step, fencing: lease.fencing, reason });
    }
    this.#outbox.settle(key);
  }

  #tellAgain(key: string): void {
    this.#outbox.again(key);
    this.#flush();
  }

  /** Without an outcome wanted the lease is lost: what the outbox holds stays, its usage counts as evidence. */
  #stopAttempt({ lease, reason, outcomeWanted }: Pick<Stop, "lease" | "reason" | "outcomeWanted">): void {
    const attempt = lease === undefined ? undefined : this.#attempts.get(leaseKey(lease));
    if (attempt === undefined) return;
    const { planId, step: key, fencing } = attempt.lease;
    this.#observe({ kind: outcomeWanted ? "stopping" : "lost", planId, key, fencing, reason });
    attempt.interrupt(outcomeWanted ? "stopped" : "lost", reason);
  }

  #goodbye({ refusal, reconnect }: Goodbye): void {
    if (!reconnect && refusal !== undefined && !refusal.retryable) return this.#end(refusedBy(refusal));
    if (!reconnect && this.#draining && this.#idle) return this.#end();
    this.#link.leave(reconnect);
  }

  /** Ends when nothing is to be hoped for; otherwise says that another stream is wanted. */
  #lostStream(error: unknown): boolean {
    const refusal = finalRefusal(error);
    if (refusal !== undefined) this.#end(refusal);
    else if (this.#draining && this.#idle) this.#end();
    return !this.#over;
  }

  #signOfLife(): void {
    if (!this.#renew()) this.#link.say({ case: "renewals", value: create(RenewalsSchema) });
  }

  /** Tells what attempts have to tell, in as many messages as their bounds need; false when there was nothing. */
  #renew(): boolean {
    if (!this.#link.welcomed || this.#link.congested) return false;
    let said = false;
    for (const attempt of this.#attempts.values()) {
      // One message an attempt: a batch of several could outgrow the size of a message.
      for (;;) {
        const renewal = attempt.takeRenewal(this.#link.nextNumber);
        if (renewal === undefined) break;
        this.#link.say({ case: "renewals", value: create(RenewalsSchema, { renewals: [renewal] }) });
        said = true;
      }
    }
    return said;
  }

  #interruptAll(reason: string): void {
    for (const attempt of this.#attempts.values()) attempt.interrupt("shutdown", reason);
  }

  #signalled(signal: NodeJS.Signals): void {
    if (this.#draining) this.#interruptAll(`second ${signal}`);
    else void this.drain(signal).catch(() => undefined);
  }

  get #idle(): boolean {
    return this.#attempts.size === 0 && this.#outbox.size === 0;
  }

  /** When drained: the server says goodbye to an attached executor; one that is not attached has nobody to wait for. */
  #closeWhenEmpty(): void {
    if (!this.#draining || !this.#idle || this.#over) return;
    if (!this.#link.welcomed) return this.#end();
    this.#farewell ??= setTimeout(() => this.#end(), FAREWELL_MS);
  }

  #end(error?: Error): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#farewell);
    for (const signal of this.#options.drainOn ?? ["SIGTERM"]) process.off(signal, this.#onSignal);
    for (const attempt of this.#attempts.values()) attempt.interrupt("lost", error?.message ?? "the executor ended");
    this.#link.end(FAREWELL_MS);
    this.#artifacts.end();
    this.#observe({ kind: "closed" });
    if (error === undefined) {
      this.#attached.resolve();
      this.#ended.resolve();
    } else {
      this.#attached.reject(error);
      this.#ended.reject(error);
    }
  }

  #observe(event: ExecutorEvent): void {
    this.#options.observe?.(event);
  }
}
