// What a connection hears that sends no HTTP/1.1 that can be read: why, and its end; never nothing.
import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGuard } from "../../src/transport/guard.ts";
import { answerMisread } from "../../src/transport/misread.ts";
import { createWidePort } from "../../src/transport/wide-port.ts";
import type { WidePort } from "../../src/transport/wide-port.ts";

let wide: WidePort;
let port = 0;

beforeAll(async () => {
  wide = createWidePort({
    routes: [],
    guard: createGuard({ hosts: [], origins: [] }),
    ready: () => true,
    turnAway: (_method, _info, refusal) => Promise.resolve(refusal),
    onBug: (where, error) => expect.fail(`${where}: ${String(error)}`),
    tls: null,
  });
  const server = wide.servers().listen(0, "127.0.0.1");
  await once(server, "listening");
  ({ port } = server.address() as AddressInfo);
});
afterAll(async () => {
  wide.close();
  wide.destroy();
  await wide.closed();
});

/** All that comes back for these bytes, until the connection ends. */
async function heard(bytes: string, at = port): Promise<string> {
  const socket = connect(at, "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => (answer += text));
  socket.on("error", () => undefined);
  socket.write(bytes, "latin1");
  await once(socket, "close");
  return answer;
}

const HOST = "Host: localhost\r\n";
const many = (count: number, size: number): string =>
  Array.from({ length: count }, (_, i) => `x-${i}: ${"v".repeat(size)}\r\n`).join("");

test.each<[string, number, string]>([
  ["an endless address", 431, `GET /maestro/runs/${"a".repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`],
  ["endless headers", 431, `GET /maestro/runs HTTP/1.1\r\n${HOST}${many(1, 20_000)}\r\n`],
  ["more headers than anybody needs", 431, `GET /maestro/runs HTTP/1.1\r\n${HOST}${many(3_000, 3)}\r\n`],
  ["a method that is none", 400, `BREW /maestro/runs HTTP/1.1\r\n${HOST}\r\n`],
  ["a method in lower case", 400, `get /maestro/runs HTTP/1.1\r\n${HOST}\r\n`],
  ["a connection to others", 405, `CONNECT example.com:443 HTTP/1.1\r\n${HOST}\r\n`],
  ["a negative length", 400, `POST /maestro/runs HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`],
  ["two lengths", 400, `POST /maestro/runs HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
  ["an absurd length", 400, `POST /maestro/runs HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999999\r\n\r\n`],
  [
    "a length and chunks",
    400,
    `POST /maestro/runs HTTP/1.1\r\n${HOST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ["bytes beyond ASCII in its address", 400, `GET /maestro/\xff HTTP/1.1\r\n${HOST}\r\n`],
  ["a NUL in its address", 400, `GET /maestro/\0 HTTP/1.1\r\n${HOST}\r\n`],
  ["a space in its address", 400, `GET /maestro/a b HTTP/1.1\r\n${HOST}\r\n`],
  ["no host", 400, "GET /maestro/runs HTTP/1.1\r\n\r\n"],
  ["no HTTP at all", 400, "\x16\x03\x01\0\0 hello\r\n\r\n"],
])("%s is told so, with %i", async (_, status, bytes) => {
  const [head = "", body = ""] = (await heard(bytes)).split("\r\n\r\n");
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} .*content-type: application/json`, "is"));
  expect(head).toMatch(/content-length: \d+/i);
  expect(JSON.parse(body)).toEqual({ detail: expect.stringMatching(/\.$/) as string });
});

async function served(listener: RequestListener): Promise<string> {
  const now = new WeakMap<Duplex, ServerResponse>();
  const server = createServer((request, response) => {
    now.set(request.socket, response);
    listener(request, response);
  });
  answerMisread(server, (socket) => now.get(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port: at } = server.address() as AddressInfo;
  const answer = await heard(`POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, at);
  server.close();
  return answer;
}

test("a chunk that is none is told so, also where the body is waited for", async () => {
  expect(await served((request) => void request.on("error", () => undefined).resume())).toMatch(/^HTTP\/1.1 400 /);
});

test("an answer that has begun is cut, and nothing is put into it", async () => {
  const answer = await served((request, response) => {
    request.on("error", () => undefined);
    response.writeHead(200, { "content-length": 100 }).write("begun");
  });
  expect(answer).not.toContain("detail");
});
