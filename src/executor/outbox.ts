// Outcomes until the server has said that they are durable. Bounded by the executor's slots: a slot is free again when its
// outcome was acknowledged, so there can be no more outcomes here than attempts that were handed out.
import { toBinary } from "@bufbuild/protobuf";
import { OutcomeSchema } from "../../gen/maestro/v1/dispatch_pb.ts";
import type { Outcome } from "../../gen/maestro/v1/dispatch_pb.ts";

/** Bounds of one message: the contract's count, and well under the size of a message. */
const BATCH_COUNT = 1_000;
const BATCH_BYTES = 2 * 1024 * 1024;

interface Held {
  readonly outcome: Outcome;
  readonly bytes: number;
  sent: boolean;
}

export class Outbox {
  readonly #held = new Map<string, Held>();

  get size(): number {
    return this.#held.size;
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  outcomes(): Outcome[] {
    return [...this.#held.values()].map(({ outcome }) => outcome);
  }

  put(key: string, outcome: Outcome): void {
    this.#held.set(key, { outcome, bytes: toBinary(OutcomeSchema, outcome).length, sent: false });
  }

  /** Takes it out: it is durable, or was refused for good. */
  settle(key: string): void {
    this.#held.delete(key);
  }

  /** It goes again with the next batch. */
  again(key: string): void {
    const held = this.#held.get(key);
    if (held !== undefined) held.sent = false;
  }

  /** A new stream knows of nothing that went over the old one. */
  allAgain(): void {
    for (const held of this.#held.values()) held.sent = false;
  }

  /** The next outcomes to send, as many as one message may carry; none when all are on their way. */
  nextBatch(): Outcome[] {
    const batch: Outcome[] = [];
    let bytes = 0;
    for (const held of this.#held.values()) {
      if (held.sent) continue;
      if (batch.length === BATCH_COUNT || (batch.length > 0 && bytes + held.bytes > BATCH_BYTES)) break;
      held.sent = true;
      bytes += held.bytes;
      batch.push(held.outcome);
    }
    return batch;
  }
}
