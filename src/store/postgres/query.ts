// A query of the driver as whoever sent it sees it, so that what it came to is gone when nobody needs it any more. Not here:
// connections, see lane.ts.
import type postgres from "postgres";

/** What the driver's query is besides what its types say. */
interface DriverQuery {
  active: boolean;
  args: readonly unknown[];
  parameters: readonly unknown[];
  resolve: (rows: unknown) => void;
  reject: (error: Error) => void;
  execute(): unknown;
  values(): unknown;
}

type Unsafe = ReturnType<postgres.Sql["unsafe"]>;

const NOTHING: readonly unknown[] = [];
const ended = (): void => undefined;

/**
 * The driver's own promise is never awaited: two functions that it makes for each query, by assigning them to members, are placed
 * among V8's old objects, where functions of members are expected to stay. They hold the query, its parameters and, by its promise,
 * its rows until the next full collection, so that a fifth of all that a query allocates was copied by collections of new objects.
 * Here the query answers to a promise of our own, and lets go of everything when it is done.
 */
class Query {
  readonly #query: DriverQuery;
  #answer: Promise<unknown> | undefined;

  constructor(query: DriverQuery) {
    this.#query = query;
  }

  /** Rows as arrays. */
  values(): this {
    this.#query.values();
    return this;
  }

  /** Sends it at once, not only when it is waited for. */
  execute(): this {
    void this.#sent();
    return this;
  }

  then(onRows?: (rows: unknown) => unknown, onError?: (error: unknown) => unknown): Promise<unknown> {
    return this.#sent().then(onRows, onError);
  }

  catch(onError: (error: unknown) => unknown): Promise<unknown> {
    return this.#sent().catch(onError);
  }

  finally(then: () => void): Promise<unknown> {
    return this.#sent().finally(then);
  }

  #sent(): Promise<unknown> {
    if (this.#answer !== undefined) return this.#answer;
    const query = this.#query;
    const { promise, resolve, reject } = Promise.withResolvers();
    const letGo = (): void => {
      query.active = false;
      query.resolve = ended;
      query.reject = ended;
      query.args = NOTHING;
      query.parameters = NOTHING;
    };
    const onRows = (rows: unknown): void => {
      letGo();
      resolve(rows);
    };
    const onError = (error: Error): void => {
      letGo();
      reject(error);
    };
    query.resolve = onRows;
    query.reject = onError;
    this.#answer = promise;
    query.execute();
    return promise;
  }
}

export function lightQuery(query: Unsafe): Unsafe {
  return new Query(query as unknown as DriverQuery) as unknown as Unsafe;
}
