// One stream from hello to goodbye: numbers what is said, and notices when the server has gone silent. Not here: what to do about it.
import { create } from "@bufbuild/protobuf";
import { AttachRequestSchema } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import type { AttachRequest, AttachResponse, Hello } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import type { Clock } from "../support/clock.ts";
import { msOf } from "./convert.ts";
import { openWire } from "./wire.ts";
import type { Address, Wire } from "./wire.ts";

/** How long a server may take to say welcome, and stay silent until it has named its own limit. */
const WELCOME_MS = 10_000;

export interface SessionEvents {
  message(session: Session, message: AttachResponse): void;
  /** Called once, last; the error says why, if it was not in order. */
  ended(session: Session, error: unknown): void;
}

export class Session {
  readonly #wire: Wire;
  readonly #clock: Clock;
  #number = 0n;
  #heardMs: number;
  #silenceLimitMs = WELCOME_MS;
  #welcomed = false;

  constructor(address: Address, apiKey: string | undefined, hello: Hello, clock: Clock, events: SessionEvents) {
    this.#clock = clock;
    this.#heardMs = clock.monotonicMs();
    this.#wire = openWire(address, apiKey, {
      message: (message) => {
        this.#heardMs = clock.monotonicMs();
        if (message.message.case === "welcome") {
          this.#welcomed = true;
          this.#silenceLimitMs = msOf(message.message.value.silenceLimit) || WELCOME_MS;
        }
        events.message(this, message);
      },
      ended: (error) => events.ended(this, error),
    });
    this.say({ case: "hello", value: hello });
  }

  get welcomed(): boolean {
    return this.#welcomed;
  }

  get congested(): boolean {
    return this.#wire.congested;
  }

  /** How often to give a sign of life: every two seconds, or well within the server's limit when that is shorter. */
  get tickMs(): number {
    return Math.max(50, Math.min(2_000, this.#silenceLimitMs / 3));
  }

  /** Number that the next message will carry. */
  get nextNumber(): bigint {
    return this.#number + 1n;
  }

  say(message: AttachRequest["message"]): void {
    this.#number += 1n;
    this.#wire.send(create(AttachRequestSchema, { number: this.#number, message }));
  }

  /** Whether the server has been silent for longer than it said it would. */
  get silent(): boolean {
    return this.#clock.monotonicMs() - this.#heardMs > this.#silenceLimitMs;
  }

  finish(): void {
    this.#wire.finish();
  }

  close(): void {
    this.#wire.close();
  }
}
