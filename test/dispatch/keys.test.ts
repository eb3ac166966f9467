// Looking up idempotency keys of calls whose effects are in batches, on a real store. Not here: what calls are answered, see
// test/transport.
import { afterAll, beforeAll, expect, test } from "vitest";
import { KeyBook } from "../../src/dispatch/keys.ts";
import type { IdempotentCall } from "../../src/store/ports/idempotency.ts";
import type { Store } from "../../src/store/ports/store.ts";
import { systemClock } from "../../src/support/clock.ts";
import { systemTimers } from "../../src/support/timers.ts";
import { openBench } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { until } from "./room.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.end());

const callOf = (key: string): IdempotentCall => ({
  orgId: bench.org.orgId,
  principal: "caller",
  key,
  operation: "dispatch.next",
  bodyDigest: Buffer.alloc(32),
});

/** The bench's store; each of its transactions begins when it is let go. */
function heldStore(): { readonly store: Store; readonly waiting: (() => void)[] } {
  const { store } = bench.it;
  const waiting: (() => void)[] = [];
  const transaction: Store["transaction"] = async (...args) => {
    await new Promise<void>((go) => waiting.push(go));
    return store.transaction(...args);
  };
  return { store: { ...store, transaction }, waiting };
}

test("keys that come while others are looked up are looked up together", async () => {
  const { store, waiting } = heldStore();
  const book = new KeyBook(store, systemClock, systemTimers);
  const found: string[] = [];
  const ask = (key: string): Promise<void> =>
    book.with(callOf(key), async ({ kind }) => {
      found.push(`${key} ${kind}`);
    });
  const first = ask("a");
  await until(() => waiting.length === 1);
  const later = ["b", "c", "d"].map(ask);
  await new Promise(setImmediate);
  expect(waiting).toHaveLength(1);
  waiting[0]?.();
  await first;
  expect(found).toEqual(["a new"]);
  await until(() => waiting.length === 2);
  waiting[1]?.();
  await Promise.all(later);
  expect(found).toEqual(["a new", "b new", "c new", "d new"]);
  expect(waiting).toHaveLength(2);
});

test("a look that fails fails its calls, and the next one is made all the same", async () => {
  const { store } = bench.it;
  let broken = true;
  const transaction: Store["transaction"] = (...args) =>
    broken ? Promise.reject(new Error("the store is away")) : store.transaction(...args);
  const book = new KeyBook({ ...store, transaction }, systemClock, systemTimers);
  await expect(book.with(callOf("e"), () => Promise.resolve(1))).rejects.toThrow("away");
  broken = false;
  expect(await book.with(callOf("e"), ({ kind }) => Promise.resolve(kind))).toBe("new");
});
