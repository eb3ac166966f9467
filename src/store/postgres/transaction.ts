// One transaction: which orgs it sees, its end, and trying again. Not here: what is done in it, see store.ts and platform.ts.
import { setTimeout as delay } from "node:timers/promises";
import { drizzle } from "drizzle-orm/postgres-js";
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import type postgres from "postgres";
import type { OrgId } from "../../domain/id.ts";
import type { Random } from "../../support/random.ts";
import { CommitUnknownError, StoreBusyError } from "../ports/store.ts";
import { reasonOf } from "./connection.ts";
import type { Client } from "./connection.ts";
import { settingsOf } from "./lane.ts";
import type { Connection } from "./lane.ts";
import { isConnectionLoss, isLockTimeout, isPassing, toStoreTrouble } from "./trouble.ts";

/** Runs one statement of the transaction and gives its rows; array parameters are texts made by arrayLiteral. */
export type Run = <Row>(text: string, parameters?: readonly unknown[]) => Promise<readonly Row[]>;

/**
 * Sends one statement of the transaction that gives no rows, and waits for nothing: statements run in order, so whatever
 * comes later sees what it did. When it fails, the transaction fails with its trouble, at the latest instead of its COMMIT.
 */
export type Send = (text: string, parameters?: readonly unknown[]) => void;

/** A transaction at work. */
export interface Session {
  readonly run: Run;
  readonly send: Send;
  /** The same for a text that will not come again, which is not worth preparing: it is planned for its values. */
  readonly runOnce: Run;
  /** The query builder, on the same connection. */
  readonly db: PostgresJsDatabase;
}

/** What a transaction may see. */
export interface Sight {
  readonly orgs: readonly OrgId[];
  /** Also the platform's own tables, of all orgs; see the policies in the migrations. */
  readonly platform?: boolean;
  readonly readOnly?: boolean;
  /** All statements see one moment. Only for what is read-only: writes would have to be tried again. */
  readonly oneMoment?: boolean;
}

export interface TransactionOptions {
  readonly client: Client;
  readonly random: Random;
  readonly prepare: boolean;
  /** How long a statement may wait for a lock, ms; as the client's connections were opened. */
  readonly lockMs: number;
  readonly log: (line: string) => void;
}

/** Times that a passing trouble is met by trying again. */
const TRIES = 3;
/** How long a statement may go on after its caller called it off, ms. */
const GRACE_MS = 250;

/** Runs `work` and commits; the contract is Store.transaction's. */
export async function inTransaction<T>(
  options: TransactionOptions,
  sight: Sight,
  work: (session: Session) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return withTries(options, () => once(options, sight, work, signal), signal);
}

/** Meets passing trouble by trying again, and says everything else in the store's own errors. */
export async function withTries<T>(
  options: Pick<TransactionOptions, "log" | "random">,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (signal?.aborted === true && !(error instanceof CommitUnknownError)) throw reasonOf(signal);
      const trouble = isLockTimeout(error)
        ? new StoreBusyError("another transaction holds what this one needs")
        : toStoreTrouble(error);
      if (trouble !== error)
        options.log(error instanceof Error ? `${trouble.message}: ${said(error)}` : trouble.message);
      if (!isPassing(error) || tries === TRIES) throw trouble;
      await delay(
        5 * 2 ** tries * (0.5 + options.random.fraction()),
        undefined,
        signal === undefined ? {} : { signal },
      );
    }
  }
}

function said(error: Error): string {
  return error.cause instanceof Error ? error.cause.message : error.message;
}

async function once<T>(
  options: TransactionOptions,
  sight: Sight,
  work: (session: Session) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const connection = await options.client.reserve(signal);
  let cut: NodeJS.Timeout | undefined;
  const callOff = (): void => {
    cut = setTimeout(() => connection.discard(), GRACE_MS);
  };
  signal?.addEventListener("abort", callOff, { once: true });
  try {
    // Nobody waits for BEGIN and the settings: what `work` sends first goes out together with them.
    const sent = sentStatements();
    sent.add(connection.unsafe(beginText(options, sight)).execute());
    let result: T;
    try {
      result = await work(sessionOn(connection, options.prepare, sent, signal));
      signal?.throwIfAborted();
    } catch (error) {
      // Trouble that came first explains whatever followed.
      const first = await sent.succeed().then(
        () => error,
        (trouble: unknown) => trouble,
      );
      // The connection may stand in a failed transaction; one that cannot be rolled back is of no use to anybody.
      await connection.unsafe("ROLLBACK").catch(() => {
        connection.discard();
      });
      throw first;
    }
    signal?.removeEventListener("abort", callOff);
    await commit(connection, sent, sight.readOnly === true);
    return result;
  } finally {
    signal?.removeEventListener("abort", callOff);
    clearTimeout(cut);
    connection.release();
  }
}

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/**
 * Begins a transaction and says what it sees, in one message: its settings end with it. A prepared statement for the settings took
 * half as long again of either side.
 */
export function beginText(
  { prepare, lockMs }: { readonly prepare: boolean; readonly lockMs?: number },
  { orgs, platform = false, readOnly = false, oneMoment = false }: Sight,
): string {
  // The text of a message has no parameters.
  for (const org of orgs) if (!UUID.test(org)) throw new Error("not the id of an org");
  // Behind a pooler a connection keeps nothing between transactions, so each brings its own bounds.
  const bounds = prepare ? [] : Object.entries(settingsOf(lockMs === undefined ? {} : { lockMs }));
  const settings = [
    ["maestro.orgs", `{${orgs.join(",")}}`],
    ...(platform ? [["maestro.platform", "on"]] : []),
    ...bounds,
  ];
  const level = oneMoment && readOnly ? "REPEATABLE READ" : "READ COMMITTED";
  const begin = `BEGIN ISOLATION LEVEL ${level}${readOnly ? " READ ONLY" : ""}`;
  return settings.reduce((text, [name, value]) => `${text}; SET LOCAL ${name ?? ""} = '${value ?? ""}'`, begin);
}

async function commit(connection: Connection, sent: Sent, readOnly: boolean): Promise<void> {
  // It goes out behind what nobody has waited for yet: when one of those fails, the server answers it with ROLLBACK.
  const ended = connection.unsafe("COMMIT").execute();
  try {
    const [{ command }] = await Promise.all([ended, sent.answered()]);
    await sent.succeed();
    // The server also answers with ROLLBACK when a statement had failed that somebody must have passed over.
    if (command !== "COMMIT") throw new Error(`a transaction ended with ${command}`);
  } catch (error) {
    if (!isConnectionLoss(error)) throw error;
    if (!readOnly) throw new CommitUnknownError("the connection broke during commit");
  }
}

/** Also without parameters: the driver would send such a statement to be planned each time. */
export const PREPARED = { prepare: true, simple: false };

// Takes back what connections are set to, see lane.ts.
const PLANNED_EACH_TIME =
  "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'on', true), set_config('max_parallel_workers_per_gather', '2', true)";

/** Statements that nobody waits for one by one. */
interface Sent {
  add(answer: Promise<unknown>): void;
  /** Waits for all of them, whatever comes of them. */
  answered(): Promise<unknown>;
  /** Waits for all of them; rejects with the trouble that came first. */
  succeed(): Promise<void>;
}

function sentStatements(): Sent {
  let answered: Promise<unknown> = Promise.resolve();
  let first: { readonly trouble: unknown } | undefined;
  return {
    add: (answer) => {
      const heard = answer.catch((trouble: unknown) => {
        first ??= { trouble };
      });
      answered = Promise.all([answered, heard]);
    },
    answered: () => answered,
    succeed: async () => {
      await answered;
      if (first !== undefined) throw first.trouble;
    },
  };
}

function sessionOn(connection: Connection, prepare: boolean, sent: Sent, signal?: AbortSignal): Session {
  const send = (text: string, parameters: readonly unknown[], keep: boolean) => {
    signal?.throwIfAborted();
    return connection.unsafe(
      text,
      parameters as postgres.ParameterOrJSON<never>[],
      keep ? PREPARED : { prepare: false },
    );
  };
  const unsafe = (text: string, parameters: readonly unknown[]) => send(text, parameters, prepare);
  let db: PostgresJsDatabase | undefined;
  return {
    run: async <Row>(text: string, parameters: readonly unknown[] = []) =>
      (await unsafe(text, parameters)) as unknown as readonly Row[],
    runOnce: async <Row>(text: string, parameters: readonly unknown[] = []) => {
      if (prepare) sent.add(unsafe(PLANNED_EACH_TIME, []).execute());
      return (await send(text, parameters, false)) as unknown as readonly Row[];
    },
    send: (text, parameters = []) => {
      sent.add(unsafe(text, parameters).execute());
    },
    get db() {
      // The builder changes how the client it is given reads and writes dates and JSON: it is given options of its own to
      // change. It also leaves statements unprepared, which costs a round trip and a plan each.
      db ??= drizzle({ unsafe, options: { parsers: {}, serializers: {} } } as unknown as postgres.Sql);
      return db;
    },
  };
}
