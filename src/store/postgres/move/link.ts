// The connection that an installation moves over: one transaction, COPY in both directions, no time limits. Not here: which
// statements.
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { openClient, reasonOf } from "../connection.ts";
import type { Connection } from "../connection.ts";

export interface Link {
  run<Row>(text: string, parameters?: readonly string[]): Promise<readonly Row[]>;
  /** The rows as COPY text, as fast as they are taken. */
  copyOut(query: string): AsyncIterable<Uint8Array>;
  /** Loads COPY text; settles when the server has taken all of it. */
  copyIn(statement: string, pieces: AsyncIterable<Uint8Array>): Promise<void>;
}

/** Limits that a role or a database may have been given, none of which knows how long a move takes. */
const UNLIMITED = "('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')";

/**
 * Opens one connection and runs `work` in one transaction on it; commits when that returns true, else takes everything back.
 * When the signal fires, or this process ends, the server takes back what was done.
 */
export async function inOneTransaction<T>(
  url: string,
  begin: string,
  work: (link: Link) => Promise<{ readonly commit: boolean; readonly result: T }>,
  signal?: AbortSignal,
): Promise<T> {
  const client = openClient({ url, poolSize: 1, prepare: false, applicationName: "maestro move" });
  try {
    const connection = await client.reserve(signal);
    const callOff = (): void => connection.discard();
    signal?.addEventListener("abort", callOff, { once: true });
    try {
      await connection.unsafe(begin);
      // Text forms that do not depend on how the server was set up: their digests are compared.
      await connection.unsafe(
        `SET LOCAL lock_timeout = '5s'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ${UNLIMITED}`,
      );
      const { commit, result } = await work(linkOn(connection));
      const { command } = await connection.unsafe(commit ? "COMMIT" : "ROLLBACK");
      if (commit && command !== "COMMIT") throw new Error(`the move ended with ${command}`);
      return result;
    } catch (error) {
      signal?.throwIfAborted();
      // Its end is also that of its transaction.
      connection.discard();
      throw error;
    } finally {
      signal?.removeEventListener("abort", callOff);
      connection.release();
    }
  } catch (error) {
    if (signal?.aborted === true) throw reasonOf(signal);
    throw error;
  } finally {
    await client.end();
  }
}

async function* copyOut(connection: Connection, query: string): AsyncGenerator<Uint8Array> {
  const stream: Readable = await connection.copy(`COPY (${query}) TO STDOUT`).readable();
  for await (const piece of stream as AsyncIterable<Uint8Array>) yield piece;
  // The driver pauses its socket when rows come faster than they are taken, and goes on when it is asked for more. After the last
  // row nobody asks, and no answer would ever be read again.
  try {
    stream._read(0);
  } catch {
    // The connection has ended meanwhile; the next statement says so.
  }
}

function linkOn(connection: Connection): Link {
  return {
    run: async <Row>(text: string, parameters: readonly string[] = []) =>
      (await connection.unsafe(text, [...parameters])) as unknown as readonly Row[],
    copyOut: (query) => copyOut(connection, query),
    copyIn: async (statement, pieces) => {
      const query = connection.copy(statement);
      // The driver tells trouble that comes after the last row to the query, which it has long resolved with the stream.
      const late = new Promise<never>((_, reject) => {
        (query as { reject?: (error: unknown) => void }).reject = reject;
      });
      late.catch(() => undefined);
      const stream: Writable = await Promise.race([query.writable(), late]);
      const broken = new Promise<never>((_, reject) => {
        stream.once("error", reject);
      });
      broken.catch(() => undefined);
      const trouble = Promise.race([late, broken]);
      trouble.catch(() => undefined);
      for await (const piece of pieces) if (!stream.write(piece)) await Promise.race([once(stream, "drain"), trouble]);
      // Closed rather than finished: only then has the driver sent all that it sends for this stream.
      const closed = once(stream, "close");
      stream.end();
      await Promise.race([closed, trouble]);
    },
  };
}
