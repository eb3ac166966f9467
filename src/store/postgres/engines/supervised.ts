// The embedded engine, started again when it ends by itself: at the same address, so that whoever uses it only has to
// connect again. Not here: starting it once, see embedded.ts.
import { setTimeout as delay } from "node:timers/promises";
import { startEmbedded } from "./embedded.ts";
import type { EmbeddedOptions, EngineHandle } from "./embedded.ts";

export interface SupervisedEngine {
  /** For the application's login; stays the same for the life of the process. */
  readonly url: string;
  readonly major: number;
  /** Settles with a sentence when the engine could not be brought back. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/** How often in a row it is started again, and the longest wait in between. */
const TRIES = 12;
const LONGEST_WAIT_MS = 5_000;

/** Starts the engine and keeps it up. Throws EngineError when the first start fails, or the reason of the signal that called it off. */
export async function superviseEmbedded(options: EmbeddedOptions, signal?: AbortSignal): Promise<SupervisedEngine> {
  const first = await startEmbedded(options, signal);
  const down = new AbortController();
  const isDown = (): boolean => down.signal.aborted;
  let current: Promise<EngineHandle> = Promise.resolve(first);
  const failed = (async (): Promise<string> => {
    for (;;) {
      const exit = await (await current).exited;
      if (isDown()) return await never();
      options.log(`Postgres ended by itself (${exit.cause}); starting it again.`);
      current = again({ ...options, port: first.port }, down.signal);
      const trouble = await current.then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      if (trouble !== undefined)
        return isDown()
          ? await never()
          : `The embedded database ended by itself and could not be started again: ${trouble}`;
    }
  })();
  return {
    url: first.url,
    major: first.major,
    failed,
    stop: async () => {
      down.abort(new Error("the engine is stopped"));
      const handle = await current.catch(() => undefined);
      await handle?.stop();
    },
  };
}

async function again(options: EmbeddedOptions, signal: AbortSignal): Promise<EngineHandle> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startEmbedded(options, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (attempt === TRIES) throw error;
      await delay(Math.min(LONGEST_WAIT_MS, 50 * 2 ** attempt), undefined, { signal });
    }
  }
}

async function never(): Promise<never> {
  return await new Promise<never>(() => undefined);
}
