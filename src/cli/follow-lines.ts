// A step's lines over as many streams as it takes, each line once. Not here: how they are shown.
import { setTimeout as wait } from "node:timers/promises";
import type { LogLine } from "../../gen/maestro/v1/dispatch_pb.ts";
import type { ServerClient } from "./client.ts";
import { mayPass } from "./follow.ts";

export interface SomeLines {
  readonly lines: readonly LogLine[];
  /** Lines that were lost before these. */
  readonly dropped: bigint;
  /** Why the stream broke that is resumed now. */
  readonly broken?: string;
}

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;
/** More than a server keeps of a step. */
const MOST_REMEMBERED = 50_000;

/** With `follow`, a stream that broke after it had begun is resumed; anything else is thrown. */
export async function* followLines(
  client: ServerClient,
  planId: string,
  step: string,
  follow: boolean,
  signal: AbortSignal,
): AsyncGenerator<SomeLines> {
  const shown = new Shown();
  let waitMs = FIRST_WAIT_MS;
  for (let begun = false, told = false; ;) {
    try {
      shown.again();
      for await (const { lines, dropped } of client.steps.tailLogs({ planId, step, follow }, { signal })) {
        begun = true;
        told = false;
        waitMs = FIRST_WAIT_MS;
        const fresh = lines.filter((line) => shown.isNew(line));
        yield { lines: fresh, dropped };
      }
      return;
    } catch (error) {
      if (signal.aborted || !follow || !begun || !mayPass(error)) throw error;
      // Once for each break, however long the server stays away.
      if (!told) yield { lines: [], dropped: 0n, broken: error instanceof Error ? error.message : String(error) };
      told = true;
    }
    await wait(waitMs, undefined, { signal });
    waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
  }
}

/** A resumed stream begins with what the server still has. Lines have no numbers; time, stream and text tell them apart. */
class Shown {
  readonly #counts = new Map<string, number>();
  #repeats = new Map<string, number>();

  again(): void {
    this.#repeats = new Map(this.#counts);
  }

  isNew({ at, stream, text }: LogLine): boolean {
    const key = `${at?.seconds ?? 0}.${at?.nanos ?? 0} ${stream} ${text}`;
    const repeats = this.#repeats.get(key) ?? 0;
    if (repeats > 0) {
      this.#repeats.set(key, repeats - 1);
      return false;
    }
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > MOST_REMEMBERED && oldest !== undefined) this.#counts.delete(oldest);
    return true;
  }
}
