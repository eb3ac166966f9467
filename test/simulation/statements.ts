// Statements of simulated servers on their way, and the real connections that they run on in the end. Not here: whose turn it is,
// see connections.ts.
import { openLane } from "../../src/store/postgres/lane.ts";
import type { Lane } from "../../src/store/postgres/lane.ts";
import { carriedHere } from "./carried.ts";

/** Real connections, for all servers of all seeds. */
export class RealConnections {
  readonly #url: string;
  readonly #free: Lane[] = [];
  readonly #all: Lane[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  take(): Lane {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    // A lock that is not free now is not free a millisecond later either: nothing else happens meanwhile.
    const lane = openLane({ url: this.#url, lockMs: 1, applicationName: "maestro simulation" }, () => undefined);
    this.#all.push(lane);
    return lane;
  }

  giveBack(lane: Lane): void {
    this.#free.push(lane);
  }

  async end(): Promise<void> {
    await Promise.all(this.#all.map((lane) => lane.sql.end({ timeout: 1 })));
  }
}

export interface Statement {
  readonly text: string;
  readonly parameters: readonly unknown[];
  readonly options: object;
  readonly asValues: boolean;
  /** What its transaction carries. */
  readonly carried: ReadonlySet<string>;
  readonly resolve: (rows: unknown) => void;
  readonly reject: (trouble: unknown) => void;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Where statements wait. */
export interface Queue {
  send(statement: Statement): void;
}

/** A statement as the driver's: it goes out once somebody wants it, a turn later. */
export class Sent {
  readonly #lane: Queue;
  readonly #parts: readonly [string, readonly unknown[], object];
  #asValues = false;
  #answer: Promise<unknown> | undefined;

  constructor(lane: Queue, text: string, parameters: readonly unknown[], options: object) {
    this.#lane = lane;
    this.#parts = [text, parameters, options];
  }

  execute(): this {
    this.#begin().catch(() => undefined);
    return this;
  }

  values(): this {
    this.#asValues = true;
    return this;
  }

  then(resolve?: (rows: unknown) => unknown, reject?: (trouble: unknown) => unknown): Promise<unknown> {
    return this.#begin().then(resolve, reject);
  }

  catch(reject: (trouble: unknown) => unknown): Promise<unknown> {
    return this.#begin().catch(reject);
  }

  finally(work: () => void): Promise<unknown> {
    return this.#begin().finally(work);
  }

  #begin(): Promise<unknown> {
    this.#answer ??= new Promise((resolve, reject) => {
      const [text, parameters, options] = this.#parts;
      const statement = { text, parameters, options, carried: carriedHere() ?? NOTHING, resolve, reject };
      queueMicrotask(() => {
        this.#lane.send({ ...statement, asValues: this.#asValues });
      });
    });
    return this.#answer;
  }
}
