// Connections to the database: a bounded set, each lent to one transaction at a time, replaced when it breaks.
// Not here: transactions (transaction.ts), and what the database's errors mean (trouble.ts).
import { StoreUnavailableError } from "../ports/store.ts";
import { lend, openLane } from "./lane.ts";
import type { Connection, Lane, LaneOptions } from "./lane.ts";
import { toStoreTrouble } from "./trouble.ts";

export type { Connection } from "./lane.ts";
export { isConnectionLoss, toBatchTrouble, toStoreTrouble } from "./trouble.ts";

export interface ClientOptions extends LaneOptions {
  /** Most connections at a time. */
  readonly poolSize: number;
  /** Most callers that wait for a connection; the next one is refused. */
  readonly waiters?: number;
}

export interface Client {
  /** Lends a connection; its borrower ends its transaction and calls `release`. Throws StoreUnavailableError, or the signal's reason. */
  reserve(signal?: AbortSignal): Promise<Connection>;
  /** Connections opened so far: a new one may lead to a database that has lost something since. */
  readonly opened: number;
  /** Refuses new borrowers, waits for the present ones, and closes. */
  end(): Promise<void>;
}

const IDLE_MS = 60_000;
const LIFE_MS = 1_800_000;

interface Waiter {
  readonly place: number;
  readonly take: (lane: Lane) => void;
  readonly refuse: (trouble: Error) => void;
}

/**
 * Opens connections on demand. The driver's own pool is not used: when the database goes away, its `reserve` leaves requests
 * behind that swallow connections later, and its `begin` writes to sockets that are no more.
 */
export function openClient(options: ClientOptions): Client {
  const lanes = new Set<Lane>();
  const free: Lane[] = [];
  const waiting = new Set<Waiter>();
  // Numbers waiters and attempts to connect in the order they began.
  let place = 0;
  let opening = 0;
  let opened = 0;
  let ending: { readonly done: () => void } | undefined;

  const drop = (lane: Lane): void => {
    if (!lanes.delete(lane)) return;
    lane.gone = true;
    clearTimeout(lane.idle);
    clearTimeout(lane.life);
    const at = free.indexOf(lane);
    if (at >= 0) free.splice(at, 1);
    // At most the rest of what was sent; a broken connection has nothing to wait for.
    void lane.sql.end({ timeout: 1 });
    if (lanes.size === 0) ending?.done();
  };
  const open = async (): Promise<Lane> => {
    const lane = openLane(options, () => drop(lane));
    lanes.add(lane);
    const begun = ++place;
    opening++;
    try {
      await lane.sql.unsafe("SELECT 1");
      opening--;
      opened++;
    } catch (error) {
      opening--;
      drop(lane);
      const trouble = toStoreTrouble(error);
      // Whoever waited all that time would find the same. Who came later may still hope for an attempt that began later.
      for (const waiter of waiting) {
        if (waiter.place > begun && opening > 0) continue;
        waiting.delete(waiter);
        waiter.refuse(trouble);
      }
      throw trouble;
    }
    lane.life = setTimeout(() => {
      lane.old = true;
      if (free.includes(lane)) drop(lane);
    }, LIFE_MS).unref();
    return lane;
  };
  const giveBack = (lane: Lane): void => {
    if (lane.gone || lane.old || ending !== undefined) {
      drop(lane);
      // A waiter stood in line for this place.
      if (waiting.size > 0 && lanes.size < options.poolSize) void open().then(giveBack, () => undefined);
      return;
    }
    const [next] = waiting;
    if (next !== undefined) {
      waiting.delete(next);
      next.take(lane);
      return;
    }
    lane.idle = setTimeout(() => drop(lane), IDLE_MS).unref();
    free.push(lane);
  };
  const lineUp = async (signal?: AbortSignal): Promise<Lane> => {
    if (waiting.size >= (options.waiters ?? 4_096)) throw new StoreUnavailableError("too many wait for a connection");
    return new Promise<Lane>((resolve, reject) => {
      const callOff = (): void => {
        waiting.delete(waiter);
        reject(reasonOf(signal));
      };
      const settled = (): void => signal?.removeEventListener("abort", callOff);
      const waiter: Waiter = {
        place: ++place,
        take: (lane) => {
          settled();
          resolve(lane);
        },
        refuse: (trouble) => {
          settled();
          reject(trouble);
        },
      };
      waiting.add(waiter);
      signal?.addEventListener("abort", callOff, { once: true });
    });
  };

  return {
    get opened() {
      return opened;
    },
    reserve: async (signal) => {
      if (ending !== undefined) throw new StoreUnavailableError("the store is closed");
      signal?.throwIfAborted();
      let lane = free.pop();
      lane ??= lanes.size < options.poolSize ? await open() : await lineUp(signal);
      clearTimeout(lane.idle);
      const lent = lane;
      return lend(
        lent,
        () => giveBack(lent),
        () => {
          void lent.sql.end({ timeout: 0 });
          drop(lent);
        },
      );
    },
    end: async () => {
      const closed = new Promise<void>((done) => (ending = { done }));
      for (const waiter of waiting) waiter.refuse(new StoreUnavailableError("the store is closed"));
      waiting.clear();
      for (const lane of [...free]) drop(lane);
      if (lanes.size > 0) await closed;
    },
  };
}

export function reasonOf(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error("called off");
}
