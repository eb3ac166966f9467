// Keeps one stream to the server open: opens it, opens it again after a wait, gives up a silent one, shows signs of life.
// Not here: what is said over it (executor.ts), one stream (session.ts).
import type { AttachRequest, AttachResponse, Hello } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import type { Clock } from "../support/clock.ts";
import type { Random } from "../support/random.ts";
import { Backoff } from "./backoff.ts";
import { Session } from "./session.ts";
import type { Address } from "./wire.ts";

export interface LinkEvents {
  /** What the next stream opens with; everything that an earlier one carried is to be said again. */
  hello(): Hello;
  message(message: AttachResponse): void;
  /** The stream is lost; says whether to open another one. */
  lost(error: unknown): boolean;
  detached(reason: string, retryInMs: number): void;
  /** Time to show that the executor lives. */
  tick(): void;
}

export interface LinkPorts {
  readonly address: Address;
  readonly apiKey: string | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

export class Link {
  readonly #ports: LinkPorts;
  readonly #events: LinkEvents;
  readonly #backoff: Backoff;
  #session: Session | undefined;
  #timer: NodeJS.Timeout | undefined;
  #comeBackAtOnce = false;
  #over = false;

  constructor(ports: LinkPorts, events: LinkEvents) {
    this.#ports = ports;
    this.#events = events;
    this.#backoff = new Backoff(ports.random);
  }

  open(): void {
    if (this.#over) return;
    const { address, apiKey, clock } = this.#ports;
    this.#session = new Session(address, apiKey, this.#events.hello(), clock, {
      message: (session, message) => {
        if (session === this.#session) this.#events.message(message);
      },
      ended: (session, error) => {
        if (session === this.#session) this.#lost(session, error);
      },
    });
    this.#tickLater(this.#session);
  }

  /** Whether the server has said welcome on the stream that is open. */
  get welcomed(): boolean {
    return this.#session?.welcomed === true;
  }

  /** Bytes wait to be sent: the server or the network is slow. */
  get congested(): boolean {
    return this.#session?.congested === true;
  }

  /** Number that the next message will carry. */
  get nextNumber(): bigint {
    return this.#session?.nextNumber ?? 1n;
  }

  /** Says it to a server that has said welcome; to any other it is not said. */
  say(message: AttachRequest["message"]): void {
    if (this.#session?.welcomed === true) this.#session.say(message);
  }

  /** The server said welcome: from now on in the rhythm that its own limit asks for. */
  settle(): void {
    this.#backoff.reset();
    clearTimeout(this.#timer);
    if (this.#session !== undefined) this.#tickLater(this.#session);
  }

  /** Half-closes; the next stream is opened almost at once when the server asked for that. */
  leave(comeBackAtOnce: boolean): void {
    this.#comeBackAtOnce = comeBackAtOnce;
    this.#session?.finish();
  }

  /** Ends for good: what was said may still arrive within the time given. */
  end(withinMs: number): void {
    this.#over = true;
    clearTimeout(this.#timer);
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    session.finish();
    setTimeout(() => session.close(), withinMs).unref();
  }

  #lost(session: Session, error: unknown): void {
    clearTimeout(this.#timer);
    this.#session = undefined;
    if (this.#over || !this.#events.lost(error)) return;
    // A server that says goodbye is going down: the next one answers sooner than a backoff would let us ask.
    const soon = this.#comeBackAtOnce && session.welcomed;
    this.#comeBackAtOnce = false;
    const retryInMs = soon ? 50 * this.#ports.random.fraction() : this.#backoff.nextMs();
    this.#events.detached(error instanceof Error ? error.message : "the server ended the stream", retryInMs);
    this.#timer = setTimeout(() => this.open(), retryInMs);
  }

  #tickLater(session: Session): void {
    this.#timer = setTimeout(() => {
      if (session.silent) return this.#abandon(session);
      if (session.welcomed && !session.congested) this.#events.tick();
      this.#tickLater(session);
    }, session.tickMs);
  }

  #abandon(session: Session): void {
    this.#session = undefined;
    session.close();
    this.#lost(session, new Error("the server has been silent for too long"));
  }
}
