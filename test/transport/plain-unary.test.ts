// Unary calls in every form that HTTP allows on the wide port: those that are answered at once, and those that go on to connect-node,
// come to the same. Not here: what operations do.
import { connect as connectH2, constants } from "node:http2";
import type { ClientHttp2Session } from "node:http2";
import { gunzipSync, gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import {
  CreateRunRequestSchema,
  CreateRunResponseSchema,
} from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startServer } from "./server.ts";
import type { TestServer } from "./server.ts";

let database: TestDatabase;
let server: TestServer;
let session: ClientHttp2Session;
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
  session = connectH2(server.wideUrl);
});
afterAll(async () => {
  session.close();
  await server.end();
  await database.drop();
});

const PATH = "/maestro.conductor.v1.ConductorService/CreateRun";
const message = (over: object = {}): Buffer =>
  Buffer.from(toBinary(CreateRunRequestSchema, create(CreateRunRequestSchema, { name: "r", owner: "o", ...over })));

function enveloped(bytes: Uint8Array, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

interface Answer {
  readonly headers: Readonly<Record<string, string>>;
  readonly trailers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Says a request in these pieces. */
function say(headers: Readonly<Record<string, string>>, ...pieces: readonly Uint8Array[]): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": PATH, ...headers });
    let head: Answer["headers"] = {};
    let trailers: Answer["trailers"] = {};
    const chunks: Buffer[] = [];
    stream
      .on("response", (found) => (head = found as unknown as Answer["headers"]))
      .on("trailers", (found: Answer["trailers"]) => (trailers = found))
      .on("data", (chunk: Buffer) => chunks.push(chunk))
      .on("error", reject)
      .on("end", () => resolve({ headers: head, trailers, body: Buffer.concat(chunks) }));
    for (const piece of pieces) stream.write(piece);
    stream.end();
  });
}

const overGrpc = (...pieces: readonly Uint8Array[]) =>
  say({ "content-type": "application/grpc", te: "trailers" }, ...pieces);
const runIn = (bytes: Uint8Array) => fromBinary(CreateRunResponseSchema, bytes).run;

test("a message is read in however many pieces it comes", async () => {
  const bytes = enveloped(message());
  const bit = [...bytes].map((byte) => Buffer.from([byte]));
  for (const pieces of [[bytes], bit]) {
    const { headers, trailers, body } = await overGrpc(...pieces);
    expect(headers["content-type"]).toMatch(/^application\/grpc/);
    expect(trailers["grpc-status"]).toBe("0");
    expect(runIn(body.subarray(5))?.name).toBe("r");
  }
});

test("a message that is packed is taken, too", async () => {
  const packed = gzipSync(message());
  const { trailers } = await say({ "content-type": "application/grpc", "grpc-encoding": "gzip" }, enveloped(packed, 1));
  expect(trailers["grpc-status"]).toBe("0");
  const { headers, body } = await say({ "content-type": "application/proto", "content-encoding": "gzip" }, packed);
  expect(Number(headers[":status"])).toBe(200);
  expect(runIn(body)?.owner).toBe("o");
});

test("a large answer is packed for whoever takes that, and for nobody else", async () => {
  const metadata = { a: "x".repeat(40_000) };
  const plain = await overGrpc(enveloped(message({ metadata })));
  expect(plain.body.length).toBeGreaterThan(40_000);
  const packed = await say(
    { "content-type": "application/grpc+proto", "grpc-accept-encoding": "identity,gzip" },
    enveloped(message({ metadata })),
  );
  expect(packed.headers["grpc-encoding"]).toBe("gzip");
  expect(packed.body.length).toBeLessThan(4_000);
  expect(runIn(gunzipSync(packed.body.subarray(5)))?.metadata).toEqual(metadata);
  const over = { "content-type": "application/proto", "accept-encoding": "br, gzip" };
  const connect = await say(over, message({ metadata }));
  expect(connect.headers["content-encoding"]).toBe("gzip");
  expect(runIn(gunzipSync(connect.body))?.metadata).toEqual(metadata);
  for (const [accepts, encoding] of [
    ["gzip;q=0", undefined],
    ["br, gzip; q=0.0", undefined],
    ["x-gzip", undefined],
    ["br;q=1, GZIP;q=0.5", "gzip"],
  ] as const) {
    const told = await say({ ...over, "accept-encoding": accepts }, message({ metadata }));
    expect(told.headers["content-encoding"]).toBe(encoding);
  }
});

test.each([
  ["no envelope", Buffer.from([0])],
  ["an envelope that is too short for its message", enveloped(message()).subarray(0, -1)],
  ["two messages", Buffer.concat([enveloped(message()), enveloped(message())])],
  ["what is no message", enveloped(Buffer.from([0xff, 0xff]))],
  ["nothing", Buffer.alloc(0)],
])("%s is refused over gRPC, and the connection goes on", async (_what, bytes) => {
  const { headers, trailers } = await overGrpc(bytes);
  expect(["0", undefined]).not.toContain(trailers["grpc-status"] ?? headers["grpc-status"]);
  expect((await overGrpc(enveloped(message()))).trailers["grpc-status"]).toBe("0");
});

test("more than a message may have is refused by name, however it is announced", async () => {
  const large = Buffer.alloc(5 * 1024 * 1024, 0x20);
  for (const type of ["application/proto", "application/json"]) {
    const { headers, body } = await say({ "content-type": type }, large);
    expect(Number(headers[":status"])).toBe(429);
    expect(JSON.parse(body.toString())).toMatchObject({ code: "resource_exhausted" });
  }
  const { headers, trailers } = await overGrpc(enveloped(large));
  expect(trailers["grpc-status"] ?? headers["grpc-status"]).toBe("8");
});

test("a refusal has its details on either protocol", async () => {
  const bad = message({ owner: "" });
  const grpc = await overGrpc(enveloped(bad));
  expect(grpc.trailers["grpc-status"]).toBe("3");
  expect(grpc.trailers["grpc-status-details-bin"]).toBeDefined();
  const connect = await say({ "content-type": "application/proto" }, bad);
  expect(Number(connect.headers[":status"])).toBe(400);
  expect(JSON.parse(connect.body.toString())).toMatchObject({
    code: "invalid_argument",
    details: [{ type: "maestro.v1.Refusal" }],
  });
});

test("JSON whose fields are not of the contract is refused, also over HTTP/1.1", async () => {
  const ask = (body: string) =>
    fetch(`${server.wideUrl}${PATH}`, { method: "POST", headers: { "content-type": "application/json" }, body });
  expect((await ask('{"name":"r","owner":"o"}')).status).toBe(200);
  expect((await ask('{"name":"r","ownr":"o"}')).status).toBe(400);
  expect((await ask("{")).status).toBe(400);
  expect((await ask('{"name":"r","owner":"o"}\n')).headers.get("content-type")).toBe("application/json");
});

test("a time-out that is over ends the call as one; one that is misspelt is refused", async () => {
  const headers = { "content-type": "application/grpc", "grpc-timeout": "1n" };
  const late = await say(headers, enveloped(message()));
  expect(late.trailers["grpc-status"] ?? late.headers["grpc-status"]).toBe("4");
  const misspelt = await say({ ...headers, "grpc-timeout": "soon" }, enveloped(message()));
  expect(["0", "4"]).not.toContain(misspelt.trailers["grpc-status"] ?? misspelt.headers["grpc-status"]);
  const connect = await say({ "content-type": "application/proto", "connect-timeout-ms": "60000" }, message());
  expect(Number(connect.headers[":status"])).toBe(200);
});

test("a caller that goes away in the middle of its message leaves nothing behind", async () => {
  const stream = session.request({ ":method": "POST", ":path": PATH, "content-type": "application/grpc" });
  stream.on("error", () => undefined);
  stream.write(enveloped(message()).subarray(0, 7));
  const closed = new Promise((resolve) => stream.once("close", resolve));
  stream.close(constants.NGHTTP2_CANCEL);
  await closed;
  expect((await overGrpc(enveloped(message()))).trailers["grpc-status"]).toBe("0");
});
