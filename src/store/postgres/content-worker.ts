// Entry of the thread of contents: the bytes of artifacts go between Postgres and the event loop here, hashed on the way. Measured:
// a megabyte costs the event loop a third of what it costs in all. Not here: what is done with them, see contents.ts.
import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { systemRandom } from "../../support/random.ts";
import { openClient } from "./connection.ts";
import { troubleOf } from "./content-messages.ts";
import type { ContentThreadData, Errand, FromThread, ToThread } from "./content-messages.ts";
import { createContents } from "./contents.ts";

const { lockMs, prepare, ...rest } = workerData as ContentThreadData;
const client = openClient({ ...rest, prepare, lockMs });
const say = (message: FromThread, handedOver: readonly ArrayBuffer[] = []): void =>
  parentPort?.postMessage(message, handedOver);
const contents = createContents({
  client,
  prepare,
  lockMs,
  random: systemRandom(),
  log: (line) => say({ line }),
});
const underWay = new Map<number, AbortController>();

// Where a thread has a priority of its own, the event loop goes first; elsewhere this would be said of the whole process.
if (process.platform === "linux") {
  try {
    setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // A sandbox may forbid it; then all threads are equal.
  }
}

async function carryOut(errand: Errand, signal: AbortSignal): Promise<unknown> {
  switch (errand.kind) {
    case "put":
      return contents.put(errand.at, errand.data, signal);
    case "get":
      return contents.get(errand.at, signal);
    case "digest":
      return contents.digest(errand.upload, signal);
  }
}

async function answer(id: number, errand: Errand): Promise<void> {
  const off = new AbortController();
  underWay.set(id, off);
  try {
    const value = await carryOut(errand, off.signal);
    // Its memory goes over as it is, unless it shares it with others: then it is copied.
    const whole = value instanceof Uint8Array && value.byteLength === value.buffer.byteLength;
    say({ id, value }, whole ? [value.buffer as ArrayBuffer] : []);
  } catch (error) {
    say({ id, trouble: troubleOf(error) });
  } finally {
    underWay.delete(id);
  }
}

parentPort?.on("message", (message: ToThread) => {
  if ("end" in message) void client.end().then(() => parentPort?.close());
  else if ("forget" in message) contents.forget(message.forget);
  else if (message.errand === "call off") underWay.get(message.id)?.abort(new Error("called off"));
  else void answer(message.id, message.errand);
});
