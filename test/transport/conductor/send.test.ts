// Answers in parts to readers that go away, over HTTP/1.1 and HTTP/2: what makes the parts is ended. Not here: what the parts are.
import { once } from "node:events";
import { createServer as createHttp1, get } from "node:http";
import { connect, constants, createServer as createHttp2 } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { expect, test } from "vitest";
import { sendParts } from "../../../src/transport/conductor/send.ts";
import type { Outgoing } from "../../../src/transport/conductor/send.ts";

const PART = Buffer.alloc(256 * 1024, "x");

/** Parts without end, what becomes of sending them, and whether their maker heard of it. */
function endless() {
  const told = { ended: false };
  const parts = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield PART;
    } finally {
      told.ended = true;
    }
  };
  const { promise: sent, resolve, reject } = Promise.withResolvers<undefined>();
  const handle = (_request: unknown, response: Outgoing): void => {
    sendParts(response, { "content-type": "text/plain" }, parts(), false).then(() => resolve(undefined), reject);
  };
  return { told, sent, handle };
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

test("an answer that is cancelled over HTTP/2 ends what makes its parts", async () => {
  const { told, sent, handle } = endless();
  const server = createHttp2(handle as never);
  const session = connect(`http://127.0.0.1:${await portOf(server)}`);
  try {
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => undefined);
    await once(stream, "response");
    // Nothing was read: the sender waits for room, which will not come.
    stream.close(constants.NGHTTP2_CANCEL);
    await sent;
    expect(told.ended).toBe(true);
  } finally {
    session.destroy();
    server.close();
  }
});

test("one over HTTP/1.1 does as well", async () => {
  const { told, sent, handle } = endless();
  const server = createHttp1(handle);
  try {
    const request = get({ port: await portOf(server), host: "127.0.0.1" });
    request.on("error", () => undefined);
    await once(request, "response");
    request.destroy();
    await sent;
    expect(told.ended).toBe(true);
  } finally {
    server.close();
  }
});

test("an answer whose reader went before its first part is not begun in earnest", async () => {
  const { promise: begun, resolve: begin } = Promise.withResolvers<Outgoing>();
  const server = createHttp2(((_request: unknown, response: Outgoing) => begin(response)) as never);
  const session = connect(`http://127.0.0.1:${await portOf(server)}`);
  try {
    const stream = session.request({ ":path": "/" });
    stream.on("error", () => undefined);
    const response = await begun;
    const closed = once(response, "close");
    stream.close(constants.NGHTTP2_CANCEL);
    await closed;
    const { told, sent, handle } = endless();
    handle(undefined, response);
    await sent;
    expect(told.ended).toBe(true);
  } finally {
    session.destroy();
    server.close();
  }
});
