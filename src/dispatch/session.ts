// This server's session in the store: opened at start, renewed every second, never committed under once it may have lapsed.
import type { SessionId } from "../domain/id.ts";
import type { PlatformStore } from "../store/ports/platform.ts";
import type { Clock } from "../support/clock.ts";

export const SESSION_LIFE_MS = 8_000;
/** No batch begins this long before the session lapses: one that is under way must be through by then. */
const COMMIT_MARGIN_MS = 3_000;
export const RENEW_EVERY_MS = 1_000;

export class ServerSession {
  #id: SessionId;
  readonly #store: PlatformStore;
  readonly #clock: Clock;
  readonly #newId: () => string;
  readonly #about: { readonly address: string; readonly build: string };
  /** By the monotonic clock, reckoned from before the call that renewed: never later than the store's own end. */
  #endsMs = Number.NEGATIVE_INFINITY;

  constructor(
    store: PlatformStore,
    clock: Clock,
    newId: () => string,
    about: { readonly address: string; readonly build: string },
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#newId = newId;
    this.#about = about;
    this.#id = newId() as SessionId;
  }

  get id(): SessionId {
    return this.#id;
  }

  mayCommit(): boolean {
    return this.#clock.monotonicMs() < this.#endsMs - COMMIT_MARGIN_MS;
  }

  get isAlive(): boolean {
    return this.#clock.monotonicMs() < this.#endsMs;
  }

  async open(): Promise<void> {
    const beganMs = this.#clock.monotonicMs();
    await this.#store.openSession(this.#id, this.#about.address, this.#about.build, SESSION_LIFE_MS);
    this.#endsMs = beganMs + SESSION_LIFE_MS;
  }

  /** Renews. True when the session had lapsed and a new one was opened: leases of the old one must be taken over. */
  async renew(): Promise<boolean> {
    const beganMs = this.#clock.monotonicMs();
    const info = await this.#store.renewSession(this.#id, SESSION_LIFE_MS);
    if (info !== undefined) {
      this.#endsMs = beganMs + SESSION_LIFE_MS;
      return false;
    }
    this.#id = this.#newId() as SessionId;
    await this.open();
    return true;
  }

  async end(): Promise<void> {
    this.#endsMs = Number.NEGATIVE_INFINITY;
    await this.#store.endSession(this.#id);
  }
}
