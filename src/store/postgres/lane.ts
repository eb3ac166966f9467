// One connection: how it is opened, what it is set to, and its borrower's view of it, which ends when it breaks.
// Not here: how many there are and who gets which, see connection.ts.
import postgres from "postgres";
import { dialsOnce } from "./dial.ts";
import type { Address } from "./dial.ts";
import { lightQuery } from "./query.ts";
import { wireTypes } from "./wire.ts";

export interface LaneOptions {
  readonly url: string;
  /** False behind a pooler in transaction mode: no prepared statements, and no settings that outlive a transaction. */
  readonly prepare?: boolean;
  /** How long opening a connection may take, ms. */
  readonly connectMs?: number;
  readonly applicationName?: string;
  /** How long a statement may wait for a lock, ms. */
  readonly lockMs?: number;
}

/** One connection, lent. Statements may be sent without waiting for each other; they run in order. */
export type Connection = postgres.ReservedSql & {
  /** A COPY, for the driver's streams. */
  copy(text: string): ReturnType<postgres.Sql["unsafe"]>;
  /** Gives it back unfit for use: whatever it is doing is cut off, and the server rolls its transaction back. */
  discard(): void;
};

/** Bounds on what a transaction may take, ms: a forgotten one must not hold a plan for ever. */
export function settingsOf({ lockMs = 10_000 }: { readonly lockMs?: number }): Readonly<Record<string, string>> {
  return {
    statement_timeout: "60000",
    lock_timeout: String(lockMs),
    idle_in_transaction_session_timeout: "30000",
    // Measured: with the default of 4 a plan of ten thousand steps is scanned instead of looked up.
    random_page_cost: "1.1",
    jit: "off",
  };
}

// A prepared statement is planned once for all values: left to itself, the server takes statements that name few rows to be cheaper
// with their values looked at, and plans them anew each time. Measured: 0.6 ms of 1.2 in which a batch of one plan is loaded.
// The plan stands until the next ANALYZE, so a table that was empty when it was made must not be scanned from end to end for it.
// Of a page's length it knows nothing either, and would start processes for ten rows.
const PLANNED_ONCE = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  max_parallel_workers_per_gather: "0",
};

/** A driver's client with one connection, used until that breaks and then thrown away. */
export interface Lane {
  readonly sql: postgres.Sql;
  /** Broken, or closed by us. */
  gone: boolean;
  old: boolean;
  idle: NodeJS.Timeout | undefined;
  life: NodeJS.Timeout | undefined;
}

// What a borrower talks to once its connection is lost: everything it sends is rejected. The driver itself would open a new
// connection and run the rest of a broken transaction there, statement by statement.
const nobody = postgres("postgres://nobody@localhost/nobody", { max: 1 });
void nobody.end();

export function openLane(options: LaneOptions, onGone: () => void): Lane {
  const connectMs = options.connectMs ?? 2_000;
  const socketOf = dialsOnce(connectMs);
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
      types: wireTypes,
      connection: {
        application_name: options.applicationName ?? "maestro",
        ...(options.prepare === false ? {} : { ...settingsOf(options), ...PLANNED_ONCE }),
      },
      onnotice: () => undefined,
      onclose: () => {
        lane.gone = true;
        onGone();
      },
      socket: async (to: Address) => {
        if (lane.gone) throw Object.assign(new Error("the connection is gone"), { code: "CONNECTION_CLOSED" });
        return socketOf(to);
      },
    } as postgres.Options<Record<string, postgres.PostgresType>>),
  };
  return lane;
}

/** The lane as its borrower sees it: good until it is given back or breaks. */
export function lend(lane: Lane, giveBack: () => void, cutOff: () => void): Connection {
  let returned = false;
  const target = (): postgres.Sql => (returned || lane.gone ? nobody : lane.sql);
  const call = (...args: Parameters<postgres.Sql>): unknown => target()(...args);
  const own = {
    unsafe: (...args: Parameters<postgres.Sql["unsafe"]>) => lightQuery(target().unsafe(...args)),
    copy: (text: string) => target().unsafe(text),
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
  return Object.assign(
    call,
    { typed: lane.sql.typed, types: lane.sql.types, options: lane.sql.options },
    own,
  ) as unknown as Connection;
}
