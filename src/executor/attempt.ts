// One attempt while it runs here: its context, its signal, what it has to tell. Not here: the stream that carries it.
import { create } from "@bufbuild/protobuf";
import type { JsonValue } from "@bufbuild/protobuf";
import { OutcomeSchema, Purpose, RenewalSchema } from "../../gen/maestro/v1/dispatch_pb.ts";
import type { Assignment, Lease, Outcome, Renewal } from "../../gen/maestro/v1/dispatch_pb.ts";
import { ArtifactRefSchema } from "../../gen/maestro/v1/payload_pb.ts";
import type { ArtifactRef, Payload } from "../../gen/maestro/v1/payload_pb.ts";
import { alarmAt } from "../support/clock.ts";
import type { Clock } from "../support/clock.ts";
import type { ArtifactAccess } from "./artifacts.ts";
import { amounts, cut, epochMsOf, jsonPayload, remainingOf, timestamp, usageOf, valueOf } from "./convert.ts";
import { Interruption } from "./errors.ts";
import type { InterruptionCause } from "./errors.ts";
import { Lines } from "./lines.ts";
import { fromError, success } from "./result.ts";
import type { Artifact, Handler, Step, StepContext, Usage } from "./step.ts";

/** Names a lease in this process. */
export function leaseKey(lease: Lease): string {
  return `${lease.planId}/${lease.ordinal}/${lease.fencing}`;
}

/** Keeps nothing: for attempts that have no server. */
const NOBODY: ArtifactAccess = {
  put: () => Promise.reject(new Error("there is no server to keep artifacts")),
  get: async function* () {
    throw new Error("there is no server that keeps artifacts");
  },
};

export class Attempt {
  readonly lease: Lease;
  readonly assignment: Assignment;
  readonly lines = new Lines();
  readonly #clock: Clock;
  readonly #keeper: ArtifactAccess;
  readonly #interrupt = new AbortController();
  readonly #startedAtMs: number;
  readonly #startedMs: number;
  readonly #artifacts: ArtifactRef[] = [];
  readonly #endWatch: () => void;
  #interruption: Interruption | undefined;
  #progress = 0;
  #message = "";
  #used = { tokens: 0, moneyMicros: 0, energyJoules: 0 };
  #wallMs: number | undefined;
  #checkpoint: Payload | undefined;
  #checkpointSent: bigint | "no" | "acknowledged" = "no";
  #changed = false;

  constructor(assignment: Assignment, lease: Lease, clock: Clock, keeper: ArtifactAccess = NOBODY) {
    this.#keeper = keeper;
    this.assignment = assignment;
    this.lease = lease;
    this.#clock = clock;
    this.#startedAtMs = clock.nowMs();
    this.#startedMs = clock.monotonicMs();
    const deadlineMs = epochMsOf(assignment.deadline);
    const due = (): void => this.interrupt("deadline", "the attempt's time is up");
    this.#endWatch = deadlineMs === undefined ? () => undefined : alarmAt(clock, deadlineMs, due);
  }

  /** True when nobody waits for an outcome any more. */
  get lost(): boolean {
    return this.#interruption?.cause === "lost";
  }

  /** Runs the handler to its end, whatever it does; never throws. */
  async run(handler: Handler): Promise<Outcome> {
    const result = await this.#resultOf(handler);
    this.#endWatch();
    return create(OutcomeSchema, {
      lease: this.lease,
      result,
      usage: amounts(this.#usage()),
      artifacts: this.#artifacts,
      startedAt: timestamp(this.#startedAtMs),
    });
  }

  /** Fires the signal. The first cause stands, except that a lease can be lost at any time. */
  interrupt(cause: InterruptionCause, message: string): void {
    if (this.#interruption !== undefined && cause !== "lost") return;
    this.#interruption = new Interruption(cause, message);
    this.#interrupt.abort(this.#interruption);
  }

  /** What there is to tell, if anything; `number` is that of the message which will carry it. */
  takeRenewal(number: bigint): Renewal | undefined {
    const checkpoint = this.#checkpointSent === "no" ? this.#checkpoint : undefined;
    if (!this.#changed && !this.lines.pending && checkpoint === undefined) return undefined;
    if (checkpoint !== undefined) this.#checkpointSent = number;
    this.#changed = false;
    return create(RenewalSchema, {
      lease: this.lease,
      progress: this.#progress,
      message: this.#message,
      usage: amounts(this.#usage()),
      ...(checkpoint && { checkpoint }),
      lines: this.lines.take(number),
    });
  }

  acknowledge(number: bigint): void {
    this.lines.acknowledge(number);
    if (typeof this.#checkpointSent === "bigint" && this.#checkpointSent <= number)
      this.#checkpointSent = "acknowledged";
  }

  /** The stream broke: what the server did not acknowledge is told again. */
  resend(): void {
    this.lines.resend();
    if (typeof this.#checkpointSent === "bigint") this.#checkpointSent = "no";
    this.#changed = true;
  }

  async #resultOf(handler: Handler): Promise<Outcome["result"]> {
    try {
      return success((await handler(this.#step(), this.#context())) ?? undefined);
    } catch (error) {
      return fromError(error, this.#interruption);
    }
  }

  #step(): Step {
    const { capability, orgId, traceparent, input } = this.assignment;
    // A handler says in its own types what it expects; here it is whatever the plan's author wrote.
    const value = (valueOf(input) ?? null) as JsonValue;
    const { planId, step: key, fencing } = this.lease;
    return { planId, key, capability, input: value, orgId, fencing, traceparent };
  }

  #context(): StepContext {
    const { purpose, attempt, idempotencyKey, deadline, hold, remainingBudget, checkpoint } = this.assignment;
    return {
      purpose: purpose === Purpose.COMPENSATE ? "compensate" : "execute",
      attempt,
      idempotencyKey,
      deadlineMs: epochMsOf(deadline),
      signal: this.#interrupt.signal,
      hold: usageOf(hold),
      remainingBudget: remainingOf(remainingBudget),
      lastCheckpoint: valueOf(checkpoint),
      log: (text, stream = "stdout") => this.lines.add(text, stream, this.#clock.nowMs()),
      progress: (share, message) => this.#tell(share, message),
      checkpoint: (value) => {
        this.#checkpoint = jsonPayload(value);
        this.#checkpointSent = "no";
      },
      usage: (used) => this.#use(used),
      artifact: (artifact) => this.#name(artifact),
      putArtifact: async (source, about = {}) => {
        const stored = await this.#keeper.put(source, about, this.#interrupt.signal);
        if (about.name !== undefined) this.#name({ ...stored, name: about.name });
        return stored;
      },
      getArtifact: (uri, range = {}) => this.#keeper.get(uri, range, this.#interrupt.signal),
    };
  }

  #tell(share: number, message: string | undefined): void {
    this.#progress = Math.min(1, Math.max(0, Number.isFinite(share) ? share : 0));
    if (message !== undefined) this.#message = cut(message, 1024);
    this.#changed = true;
  }

  #use(used: Usage): void {
    for (const [name, amount] of Object.entries(used) as [string, number][]) {
      if (!Number.isFinite(amount) || amount < 0)
        throw new RangeError(`usage.${name} must not be negative, and finite`);
    }
    this.#used.tokens += used.tokens ?? 0;
    this.#used.moneyMicros += used.moneyMicros ?? 0;
    this.#used.energyJoules += used.energyJoules ?? 0;
    if (used.wallMs !== undefined) this.#wallMs = (this.#wallMs ?? 0) + used.wallMs;
    this.#changed = true;
  }

  #usage(): Required<Usage> {
    return { ...this.#used, wallMs: this.#wallMs ?? this.#clock.monotonicMs() - this.#startedMs };
  }

  #name({ name, uri, digest = "", sizeBytes = 0, contentType = "" }: Artifact): void {
    if (this.#artifacts.length === 64) throw new RangeError("an attempt names at most 64 artifacts");
    this.#artifacts.push(create(ArtifactRefSchema, { name, uri, digest, sizeBytes: BigInt(sizeBytes), contentType }));
  }
}
