// This server's session in the store: opened at start, renewed every second, never committed under once it may have lapsed. What
// a renewal answers is what the server must hear of soon. Not here: what is done about it, see upkeep.ts and app.ts.
import type { SessionId } from "../domain/id.ts";
import type { Installation, PlatformStore, Renewal } from "../store/ports/platform.ts";
import type { Clock } from "../support/clock.ts";

export const SESSION_LIFE_MS = 8_000;
/** No batch begins this long before the session lapses: one that is under way must be through by then. */
const COMMIT_MARGIN_MS = 3_000;
export const RENEW_EVERY_MS = 1_000;
/** A key is asked about for so long after it was revoked: its revocation may be committed later, or be read past by a look-up under way. */
const REVOKED_BEFORE_MS = 10_000;

export interface Renewed extends Renewal {
  /** The session had lapsed and a new one was opened: leases of the old one must be taken over. */
  readonly anew: boolean;
}

export class ServerSession {
  /** Settles when the database holds another installation, or another life of it: nothing that this server knows holds any more. */
  readonly replaced: Promise<void>;
  #id: SessionId;
  readonly #store: Pick<PlatformStore, "openSession" | "renewSession" | "endSession">;
  readonly #clock: Clock;
  readonly #newId: () => string;
  readonly #about: { readonly address: string; readonly build: string };
  /** By the monotonic clock, reckoned from before the call that renewed: never later than the store's own end. */
  #endsMs = Number.NEGATIVE_INFINITY;
  #installation: Installation | undefined;
  #isReplaced = false;
  #isReached = true;
  /** A new session was begun, and nobody was told yet that it lives. */
  #isNew = false;
  /** The store's time when it last answered. */
  #heardMs = 0;
  #sayReplaced: () => void = () => undefined;

  constructor(
    store: Pick<PlatformStore, "openSession" | "renewSession" | "endSession">,
    clock: Clock,
    newId: () => string,
    about: { readonly address: string; readonly build: string },
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#newId = newId;
    this.#about = about;
    this.#id = newId() as SessionId;
    this.replaced = new Promise((resolve) => (this.#sayReplaced = resolve));
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

  /** Whether the store answered when it was last asked. */
  get isReached(): boolean {
    return this.#isReached;
  }

  /** Which installation it serves; read together with the session's beginning, so that no import came in between. */
  async open(): Promise<Installation> {
    const beganMs = this.#clock.monotonicMs();
    const opened = await this.#store.openSession(this.#id, this.#about.address, this.#about.build, SESSION_LIFE_MS);
    if (!this.#isOf(opened.installation)) return opened.installation;
    this.#heardMs = opened.nowMs;
    this.#endsMs = beganMs + SESSION_LIFE_MS;
    return opened.installation;
  }

  /** Renews, or opens another session when this one had lapsed. Once the installation was replaced, neither. */
  async renew(): Promise<Renewed> {
    const beganMs = this.#clock.monotonicMs();
    const since = this.#heardMs - REVOKED_BEFORE_MS;
    let renewal: Renewal;
    try {
      renewal = await this.#store.renewSession(this.#id, SESSION_LIFE_MS, since);
      this.#isReached = true;
    } catch (error) {
      this.#isReached = false;
      throw error;
    }
    if (!this.#isOf(renewal.installation)) return { ...renewal, revoked: [], lapsed: [], anew: false };
    if (renewal.expiresMs === null) {
      this.#id = this.#newId() as SessionId;
      // Should it throw, the session may be there all the same: then it is the next renewal that finds it new.
      this.#isNew = true;
      await this.open();
    } else this.#endsMs = beganMs + SESSION_LIFE_MS;
    this.#heardMs = renewal.nowMs;
    const anew = this.#isNew;
    this.#isNew = false;
    return { ...renewal, anew };
  }

  async end(): Promise<void> {
    this.#endsMs = Number.NEGATIVE_INFINITY;
    await this.#store.endSession(this.#id);
  }

  /** Fencing numbers, page tokens and remembered keys are those of one installation in one life: in another, nothing is begun. */
  #isOf({ installationId, storeEpoch }: Installation): boolean {
    this.#installation ??= { installationId, storeEpoch };
    if (this.#installation.installationId === installationId && this.#installation.storeEpoch === storeEpoch)
      return !this.#isReplaced;
    this.#isReplaced = true;
    this.#endsMs = Number.NEGATIVE_INFINITY;
    this.#sayReplaced();
    return false;
  }
}
