// Connections to the database: a bounded set, each lent to one transaction at a time, replaced when it breaks.
// Not here: transactions (transaction.ts), and what the database's errors mean (trouble.ts).
import { connect } from "node:net";
import type { Socket } from "node:net";
import postgres from "postgres";
import { StoreUnavailableError } from "../ports/store.ts";
import { toStoreTrouble } from "./trouble.ts";
import { wireTypes } from "./wire.ts";

export { isConnectionLoss, toBatchTrouble, toStoreTrouble } from "./trouble.ts";

export interface ClientOptions {
  readonly url: string;
  /** Most connections at a time. */
  readonly poolSize: number;
  /** False behind a pooler in transaction mode: no prepared statements, and no settings that outlive a transaction. */
  readonly prepare?: boolean;
  /** How long opening a connection may take, ms. */
  readonly connectMs?: number;
  /** Most callers that wait for a connection; the next one is refused. */
  readonly waiters?: number;
  readonly applicationName?: string;
  /** Where the database's own words go; they go nowhere else. */
  readonly log?: (line: string) => void;
}

/** One connection, lent. Statements may be sent without waiting for each other; they run in order. */
export type Connection = postgres.ReservedSql & {
  /** Gives it back unfit for use: whatever it is doing is cut off, and the server rolls its transaction back. */
  discard(): void;
};

export interface Client {
  /** Lends a connection; its borrower ends its transaction and calls `release`. Throws StoreUnavailableError, or the signal's reason. */
  reserve(signal?: AbortSignal): Promise<Connection>;
  /** Refuses new borrowers, waits for the present ones, and closes. */
  end(): Promise<void>;
}

/** Bounds on what a transaction may take, ms: a forgotten one must not hold a plan for ever. */
export const sessionSettings = {
  statement_timeout: "60000",
  lock_timeout: "10000",
  idle_in_transaction_session_timeout: "30000",
  // Measured: with the default of 4 a plan of ten thousand steps is scanned instead of looked up.
  random_page_cost: "1.1",
  jit: "off",
} as const;

const IDLE_MS = 60_000;
const LIFE_MS = 1_800_000;

/** A driver's client with one connection, used until that breaks and then thrown away. */
interface Lane {
  readonly sql: postgres.Sql;
  /** Broken, or closed by us. */
  gone: boolean;
  old: boolean;
  idle: NodeJS.Timeout | undefined;
  life: NodeJS.Timeout | undefined;
}

interface Waiter {
  readonly place: number;
  readonly take: (lane: Lane) => void;
  readonly refuse: (trouble: Error) => void;
}

// What a borrower talks to once its connection is lost: everything it sends is rejected. The driver itself would open a new
// connection and run the rest of a broken transaction there, statement by statement.
const nobody = postgres("postgres://nobody@localhost/nobody", { max: 1 });
void nobody.end();

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
    const lane = newLane(options, () => drop(lane));
    lanes.add(lane);
    const begun = ++place;
    opening++;
    try {
      await lane.sql.unsafe("SELECT 1");
      opening--;
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
    reserve: async (signal) => {
      if (ending !== undefined) throw new StoreUnavailableError("the store is closed");
      signal?.throwIfAborted();
      let lane = free.pop();
      lane ??= lanes.size < options.poolSize ? await open() : await lineUp(signal);
      clearTimeout(lane.idle);
      const lent = lane;
      return lend(lent, () => giveBack(lent), () => {
        void lent.sql.end({ timeout: 0 });
        drop(lent);
      });
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

function newLane(options: ClientOptions, onGone: () => void): Lane {
  const connectMs = options.connectMs ?? 2_000;
  const lane: Lane = {
    gone: false,
    old: false,
    idle: undefined,
    life: undefined,
    sql: postgres(options.url, {
      max: 1,
      // Ends of idle and old connections are timed here: the driver does not see that a transaction is open.
      idle_timeout: 0,
      max_lifetime: null,
      connect_timeout: connectMs / 1_000,
      fetch_types: false,
      prepare: options.prepare ?? true,
      types: wireTypes as unknown as Record<string, postgres.PostgresType>,
      connection: {
        application_name: options.applicationName ?? "maestro",
        ...(options.prepare === false ? {} : (sessionSettings as unknown as Record<string, string>)),
      },
      onnotice: () => undefined,
      onclose: () => {
        lane.gone = true;
        onGone();
      },
      socket: async (to: Address) => {
        if (lane.gone) throw Object.assign(new Error("the connection is gone"), { code: "CONNECTION_CLOSED" });
        return dial(to, connectMs);
      },
    } as postgres.Options<Record<string, postgres.PostgresType>>),
  };
  return lane;
}

interface Address {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path: string | false;
}

/** A connected socket. Made here so that a lane never connects twice, and with a time limit of its own. */
async function dial(to: Address, limitMs: number): Promise<Socket> {
  const host = to.host[0] ?? "localhost";
  const socket = typeof to.path === "string" ? connect(to.path) : connect(Number(to.port[0]), host);
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => socket.destroy(Object.assign(new Error("too slow"), { code: "CONNECT_TIMEOUT" })), limitMs);
    socket.once("error", (error) => {
      clearTimeout(late);
      reject(error);
    });
    socket.once("connect", () => {
      clearTimeout(late);
      socket.removeAllListeners("error");
      resolve();
    });
  });
  socket.setNoDelay(true);
  // Where the driver looks for the name to check a certificate against.
  return Object.assign(socket, { host });
}

/** The lane as its borrower sees it: good until it is given back or breaks. */
function lend(lane: Lane, giveBack: () => void, cutOff: () => void): Connection {
  let returned = false;
  const target = (): postgres.Sql => (returned || lane.gone ? nobody : lane.sql);
  const call = (...args: Parameters<postgres.Sql>): unknown => target()(...args);
  const own = {
    unsafe: (...args: Parameters<postgres.Sql["unsafe"]>) => target().unsafe(...args),
    release: () => {
      if (returned) return;
      returned = true;
      giveBack();
    },
    discard: () => {
      if (returned) return;
      cutOff();
    },
  };
  const { typed, types, array, json, options } = lane.sql;
  return Object.assign(call, { typed, types, array, json, options }, own) as unknown as Connection;
}
