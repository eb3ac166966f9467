// One attached executor: its stream, its credit, its grace after a break. Not here: what it is given.
import type { Executor } from "../domain/executor.ts";
import type { Assignment } from "../domain/outcome.ts";
import type { Refusal } from "../domain/refusal.ts";
import { refusal } from "../domain/refusal.ts";
import type { Acknowledgement, StreamSink } from "./dispatcher.ts";
import { Taker } from "./takers.ts";

/** How long an executor may be away before its leases are lost. */
export const GRACE_MS = 2_000;
/** Longest silence of an executor. */
export const SILENCE_MS = 10_000;
export const HEARTBEAT_MS = 2_000;

export class ExecutorConnection {
  readonly taker: Taker;
  readonly incarnation: string;
  readonly keyId: string | null;
  sink: StreamSink | null;
  slots: number;
  draining = false;
  heardMs: number;
  /** Acknowledgements that leave with the next message. */
  readonly pendingAcks: Acknowledgement[] = [];
  /** When it broke, by the monotonic clock; null while it stands. */
  brokenMs: number | null = null;

  constructor(
    executor: Executor,
    sink: StreamSink,
    options: {
      readonly incarnation: string;
      readonly keyId: string | null;
      readonly nowMs: number;
      readonly inFlight: () => number;
      readonly onSlow: (connection: ExecutorConnection) => void;
      /** Its sink threw, a bug: the commit that it was to tell of stands. */ readonly onBug: (error: unknown) => void;
      /** Assignments that were committed after the stream broke. */ readonly onUndelivered: (
        connection: ExecutorConnection,
        assignments: readonly Assignment[],
      ) => void;
    },
  ) {
    this.sink = guarded(sink, options.onBug);
    this.incarnation = options.incarnation;
    this.keyId = options.keyId;
    this.slots = executor.spec.slots;
    this.heardMs = options.nowMs;
    this.taker = new Taker(executor, {
      capacity: () =>
        this.sink === null || this.draining || this.executor.state === "DRAINING"
          ? Number.NEGATIVE_INFINITY
          : this.slots - options.inFlight(),
      leaseMs: null,
      capabilities: [],
      deliver: (assignments: readonly Assignment[]) => {
        if (this.sink === null) options.onUndelivered(this, assignments);
        else if (!this.send(assignments)) options.onSlow(this);
      },
    });
  }

  get executor(): Executor {
    return this.taker.executor;
  }

  /** Sends what there is in one message, acknowledgements of the same commit included; false when the stream's reader does not keep up. */
  send(assignments: readonly Assignment[]): boolean {
    const acks = this.pendingAcks.splice(0);
    return acks.length + assignments.length === 0 || this.sink === null || this.sink.send(assignments, acks);
  }

  end(no: Refusal | null, reconnect: boolean): void {
    const { sink } = this;
    this.sink = null;
    sink?.end(no, reconnect);
  }
}

/** A sink that throws is one that takes nothing more: whoever called it goes on, and its stream is ended as a slow reader's is. */
function guarded(sink: StreamSink, onBug: (error: unknown) => void): StreamSink {
  const tried = (say: () => boolean): boolean => {
    try {
      return say();
    } catch (error) {
      onBug(error);
      return false;
    }
  };
  return {
    send: (assignments, acks) => tried(() => sink.send(assignments, acks)),
    sendStops: (stops) => tried(() => sink.sendStops(stops)),
    sendHeartbeat: () => tried(() => sink.sendHeartbeat()),
    end: (no, reconnect) =>
      void tried(() => {
        sink.end(no, reconnect);
        return true;
      }),
  };
}

export const SLOW: Refusal = refusal(
  "SLOW_READER",
  "The stream's reader did not keep up; attach again with the leases held.",
  { retryAfterMs: 500 },
);
