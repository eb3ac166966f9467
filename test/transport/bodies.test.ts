// Bodies that break off, and bodies that never come, over HTTP/2: nothing is done that was not asked for in full, and whoever waits is
// answered. Not here: messages that cannot be read, see plain-unary.test.ts.
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, createServer } from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  ConductorService,
  CreateRunRequestSchema,
  CreateRunResponseSchema,
} from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { readJson } from "../../src/transport/conductor/body.ts";
import { inTime } from "../../src/transport/patience.ts";
import { plainUnary } from "../../src/transport/plain-unary.ts";
import { unary } from "../../src/transport/route.ts";

/** Ample for a whole body on a loaded machine; a body of which the rest never comes takes as long. */
const PATIENCE_MS = 1_000;
const SOON_MS = 50;

type Serve = (request: IncomingMessage, response: ServerResponse) => void;

let serve: Serve;
let session: ClientHttp2Session;
const server = createServer(((request: IncomingMessage, response: ServerResponse) =>
  serve(request, response)) as never);

beforeEach(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  session.on("error", () => undefined);
});
afterEach(async () => {
  session.destroy();
  await new Promise((resolve) => server.close(resolve));
});

const whole = toBinary(CreateRunRequestSchema, create(CreateRunRequestSchema, { name: "r", owner: "o" }));

/** Serves CreateRun, and tells of the calls that came to it. */
function createRuns(patienceMs: number) {
  const told = { calls: 0, turnedAway: 0, elsewhere: 0 };
  const route = unary(ConductorService.method.createRun, async () => {
    told.calls += 1;
    return { ok: true, value: create(CreateRunResponseSchema) };
  });
  if (route.kind !== "unary") throw new Error("no unary route");
  const plain = plainUnary(route, {
    patienceMs,
    turnAway: async (_method, _info, refusal) => {
      told.turnedAway += 1;
      return refusal;
    },
    onBug: (_where, error) => {
      throw error;
    },
  });
  serve = (request, response) => {
    if (plain(request, response, () => undefined)) return;
    told.elsewhere += 1;
    response.end();
  };
  return told;
}

function ask(headers: Readonly<Record<string, string>>): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": "/maestro.conductor.v1.ConductorService/CreateRun",
    "content-type": "application/proto",
    ...headers,
  });
  stream.on("error", () => undefined);
  return stream;
}

async function answerOf(stream: ClientHttp2Stream) {
  const trailers: Promise<IncomingHttpHeaders> = new Promise((resolve) => stream.once("trailers", resolve));
  const [headers] = (await once(stream, "response")) as [IncomingHttpHeaders & { ":status": number }];
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await once(stream, "end");
  return { headers, trailers, text: Buffer.concat(chunks).toString() };
}

test("a connection that is cut after what could be a whole message makes no call", async () => {
  const told = createRuns(PATIENCE_MS);
  const { promise: gone, resolve } = Promise.withResolvers<undefined>();
  const inner = serve;
  serve = (request, response) => {
    request.once("data", () => session.destroy());
    response.once("close", () => setImmediate(() => resolve(undefined)));
    inner(request, response);
  };
  ask({}).write(whole);
  await gone;
  expect(told).toEqual({ calls: 0, turnedAway: 0, elsewhere: 0 });
});

test("nor does one over REST whose body may be left out stand for an empty one", async () => {
  const read = Promise.withResolvers<unknown>();
  serve = (request) => {
    readJson(request, true, PATIENCE_MS).then(read.resolve, read.reject);
    session.destroy();
  };
  ask({ "content-type": "application/json" }).write(" ");
  expect(await read.promise).toMatchObject({ ok: false, why: { refusal: { rule: "http.body" } } });
});

test("a deadline that is over before the body is there is answered, and its stream is closed", async () => {
  const told = createRuns(60_000);
  const stream = ask({ "connect-timeout-ms": String(SOON_MS) });
  stream.write(whole);
  const closed = once(stream, "close");
  const { headers, text } = await answerOf(stream);
  expect([headers[":status"], JSON.parse(text)]).toMatchObject([504, { code: "deadline_exceeded" }]);
  await closed;
  const grpc = ask({ "content-type": "application/grpc", "grpc-timeout": `${SOON_MS}m` });
  grpc.write(Buffer.from([0]));
  const answered = await answerOf(grpc);
  expect((await answered.trailers)["grpc-status"]).toBe("4");
  expect(told.calls).toBe(0);
});

test("a body without a deadline has its time as well, and is refused by name when it does not come", async () => {
  const told = createRuns(SOON_MS);
  const stream = ask({});
  stream.write(whole);
  const { headers, text } = await answerOf(stream);
  expect([headers[":status"], JSON.parse(text)]).toMatchObject([
    400,
    { code: "invalid_argument", details: [{ type: "maestro.v1.Refusal" }] },
  ]);
  expect(told).toEqual({ calls: 0, turnedAway: 1, elsewhere: 0 });
});

test("what goes on to connect-node has its time, too", async () => {
  const never = async function* (): AsyncGenerator<Uint8Array> {
    yield whole;
    await new Promise(() => undefined);
  };
  const got: Uint8Array[] = [];
  const read = async (): Promise<void> => {
    for await (const part of inTime(never(), SOON_MS, async () => new Error("late"))) got.push(part);
  };
  await expect(read()).rejects.toThrow("late");
  expect(got).toEqual([whole]);
});

test("another version of Connect is connect-node's to refuse", async () => {
  const told = createRuns(PATIENCE_MS);
  for (const version of ["1", "2"]) {
    const stream = ask({ "connect-protocol-version": version });
    stream.end(whole);
    await answerOf(stream);
  }
  expect(told).toEqual({ calls: 1, turnedAway: 0, elsewhere: 1 });
});
