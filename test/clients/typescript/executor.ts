// An executor in TypeScript on the library: what the guide shows of it. Not here: executors on generated stubs alone, which are
// beside this folder.
import { existsSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { Executor, PermanentError } from "../../../src/executor/executor.ts";
import type { Handler } from "../../../src/executor/executor.ts";

// region handlers
/** Input `{n}`, outputs `{n}`. A PermanentError is a failure that no retry mends. */
const double: Handler<{ n: number }> = ({ input }, ctx) => {
  if (typeof input.n !== "number") throw new PermanentError("the input has no number n");
  ctx.usage({ tokens: 1 }); // booked to the plan's budget
  return { n: input.n * 2 };
};

/** Input `{path}`: looks until the file is there. An attempt after this one goes on counting where it stopped. */
const awaitFile: Handler<{ path: string }> = async ({ input }, ctx) => {
  const { looks: beganAt = 0 } = (ctx.lastCheckpoint ?? {}) as { looks?: number };
  let looks = beganAt;
  while (!existsSync(input.path)) {
    ctx.progress(0.5, `looked ${++looks} times`);
    ctx.checkpoint({ looks });
    await wait(50, undefined, { signal: ctx.signal }); // rejects when the server says stop
  }
  return { looks, began_at: beganAt };
};
// endregion handlers

const [url = "", name = "", slots = ""] = process.argv.slice(2);

// region process
const executor = new Executor({ url, name, slots: Number(slots) });
executor.on("double", double);
executor.on("await-file", awaitFile);

await executor.start(); // attached; it attaches again by itself after every break
await executor.closed; // SIGTERM drains: what runs is finished, nothing new is taken
// endregion process
