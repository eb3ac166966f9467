// HTTP/2 connections that open no stream are ended; those that ask for something in time are kept.
import { once } from "node:events";
import { connect as connectHttp2, createServer } from "node:http2";
import type { ServerHttp2Session } from "node:http2";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectStream } from "../../src/transport/patience.ts";

const server = createServer((_request, response) => void response.end("ok"));
let port = 0;
let patienceMs = 50;

beforeAll(async () => {
  server.on("session", (session: ServerHttp2Session) => expectStream(session, patienceMs));
  server.on("sessionError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  ({ port } = server.address() as AddressInfo);
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

test.each(["PRI", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"])(
  "silence after %j ends it",
  async (words) => {
    const socket = connect(port, "127.0.0.1");
    socket.write(words, "latin1");
    socket.resume();
    await once(socket, "close");
    expect(socket.bytesWritten).toBe(words.length);
  },
);

test("one that opened a stream is kept, although it asks for nothing more", async () => {
  patienceMs = 1_000;
  const opened = once(server, "session") as Promise<[ServerHttp2Session]>;
  const client = connectHttp2(`http://127.0.0.1:${port}`);
  const stream = client.request({ ":path": "/" });
  stream.resume();
  const [session] = await opened;
  await once(stream, "end");
  expect(session.listenerCount("stream")).toBe(1);
  expect(session.destroyed).toBe(false);
  client.close();
  await once(client, "close");
});
