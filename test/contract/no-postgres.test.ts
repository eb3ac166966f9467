// What is met where a database should be: ports that close, answer as something else, or say nothing. Not here: databases that refuse, see engines-server.test.ts.
import { createServer as createHttp } from "node:http";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import { examineDatabase } from "../../src/store/postgres/doctor/database.ts";
import { checkServer } from "../../src/store/postgres/engines/server.ts";
import { systemClock } from "../../src/support/clock.ts";

const servers: { readonly server: Server; readonly sockets: Set<Socket> }[] = [];

afterEach(() => {
  for (const { server, sockets } of servers.splice(0)) {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
});

/** Where it listens, and how often it was called. */
async function listening(server: Server): Promise<{ readonly url: string; readonly calls: () => number }> {
  const sockets = new Set<Socket>();
  let calls = 0;
  server.on("connection", (socket) => {
    calls++;
    sockets.add(socket.on("error", () => undefined));
  });
  servers.push({ server, sockets });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `postgres://u:secret-guess@127.0.0.1:${(server.address() as AddressInfo).port}/x`, calls: () => calls };
}

const closing = (): Server => createServer((socket) => void socket.end());
const web = (): Server => createHttp((_request, response) => void response.end("hello"));
const mute = (): Server => createServer();

test.each([
  ["closes at once", closing],
  ["answers as a web server does", web],
])("a port that %s is said to be no Postgres, after one look", async (_what, make) => {
  const { url, calls } = await listening(make());
  const refusal: unknown = await checkServer(url).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ reason: "unreachable" });
  expect(String(refusal)).toMatch(/127\.0\.0\.1:\d+\/x is no Postgres/);
  expect(String(refusal)).not.toContain("secret-guess");
  expect(calls()).toBe(1);
});

test("a look at a port that says nothing is called off at once", async () => {
  const { url, calls } = await listening(mute());
  const end = new AbortController();
  const looked = checkServer(url, end.signal).catch((error: unknown) => error);
  await expect.poll(calls).toBe(1);
  const why = new Error("the user has seen enough");
  end.abort(why);
  expect(await looked).toBe(why);
});

test("a connection of the store that is closed before it is one has failed, and is not tried for ever", async () => {
  const { url, calls } = await listening(closing());
  const client = openClient({ url, poolSize: 1 });
  await expect(client.reserve()).rejects.toThrow(StoreUnavailableError);
  await client.end();
  expect(calls()).toBe(1);
});

test("the doctor finds that it is no Postgres", async () => {
  const { url } = await listening(closing());
  expect(await examineDatabase({ url, clock: systemClock, connections: 1 })).toEqual([
    expect.objectContaining({ check: "database.reach", state: "fail" }),
  ]);
});
