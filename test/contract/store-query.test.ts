// Queries of the driver as the store sends them: what they came to does not outlive its use. Not here: what they ask.
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openClient } from "../../src/store/postgres/connection.ts";
import type { Client } from "../../src/store/postgres/connection.ts";
import { openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

const QUERIES = 200;
let it: TestStore;
let client: Client;

beforeAll(async () => {
  const [server] = servers();
  if (server === undefined) throw new Error("no server to test on");
  it = await openStore(server, { poolSize: 1 });
  client = openClient({ url: it.database.url, poolSize: 1 });
});
afterAll(async () => {
  await client.end();
  await it.end();
});

/** What is left after a collection of new objects alone, as they happen all the time; bytes. */
function leftByNew(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as (options: { readonly type: "minor" }) => void;
  // What has survived one is taken for old by the second.
  collect({ type: "minor" });
  collect({ type: "minor" });
  return getHeapStatistics().used_heap_size;
}

test("rows that nobody has any more go with the next collection of new objects", async () => {
  const connection = await client.reserve();
  const ask = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++)
      expect((await connection.unsafe("SELECT g FROM generate_series(1, 500) g", [], { prepare: true })).length).toBe(
        500,
      );
  };
  await ask(50);
  const before = leftByNew();
  await ask(QUERIES);
  // Five hundred rows take some 28 kB; what may be left of a query is the driver's small change.
  expect((leftByNew() - before) / QUERIES).toBeLessThan(8_000);
  connection.release();
});

test("an error comes to whoever waits, and rows as arrays where they are asked for", async () => {
  const connection = await client.reserve();
  await expect(connection.unsafe("SELECT 1 / 0")).rejects.toMatchObject({ code: "22012" });
  expect(await connection.unsafe("SELECT 1 AS a, 2 AS b").values()).toMatchObject([[1, 2]]);
  const sent = connection.unsafe("SELECT 3 AS c").execute();
  expect(await sent).toMatchObject([{ c: 3 }]);
  expect(await sent).toMatchObject([{ c: 3 }]);
  connection.release();
});
