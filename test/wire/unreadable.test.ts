// Messages that no route ever sees, over every protocol and both listeners: too large, cut off, not what they say they are.
// Each is refused by name, and nothing hangs. Not here: messages that are well formed and wrong, see attack.test.ts.
import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CharterService } from "../../gen/maestro/v1/charter_service_pb.ts";
import { DeclareCharterRequestSchema, MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason, RefusalSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import type { Refusal } from "../../gen/maestro/v1/refusal_pb.ts";
import { attach } from "../transport/peers.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.end());

const LIMIT = 4 * 1024 * 1024;
const transports: Readonly<Record<string, (extra: object) => Transport>> = {
  "gRPC on the fast lane": (extra) => createGrpcTransport({ baseUrl: `http://${server.grpcUrl}`, ...extra }),
  gRPC: (extra) => createGrpcTransport({ baseUrl: server.wideUrl, ...extra }),
  "gRPC-Web": (extra) => createGrpcWebTransport({ baseUrl: server.wideUrl, httpVersion: "1.1", ...extra }),
  "Connect over HTTP/1.1": (extra) => createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "1.1", ...extra }),
  "Connect over h2c": (extra) => createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "2", ...extra }),
  "Connect in JSON": (extra) =>
    createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "1.1", useBinaryFormat: false, ...extra }),
};

describe.each(Object.keys(transports))("%s", (name) => {
  const open = (extra: object = {}): Transport => {
    const transport = transports[name]?.(extra);
    if (transport === undefined) throw new Error(name);
    return transport;
  };

  test("refuses a message over the limit, saying limit and size, and goes on serving", async () => {
    const transport = open();
    const request = { name: "large", terms: { purpose: "x".repeat(LIMIT) } };
    const { code, refusal } = await refused(createClient(MaestroService, transport).declareCharter(request));
    expect(code).toBe(8);
    expect(refusal).toMatchObject({ reason: RefusalReason.TOO_LARGE, rule: "message.size" });
    expect(refusal.metadata["limit_bytes"]).toBe(String(LIMIT));
    // A unary body of Connect is read no further than the limit.
    if (!name.startsWith("Connect"))
      expect(refusal.metadata["size_bytes"]).toBe(
        String(toBinary(DeclareCharterRequestSchema, create(DeclareCharterRequestSchema, request)).length),
      );
    expect((await refused(createClient(CharterService, transport).getCharter({ charter: "large" }))).code).toBe(5);
  });

  test("refuses a stream's first message over the limit", async () => {
    const watch = createClient(PlanService, open())
      .watchPlan({ planId: "x".repeat(LIMIT) })
      [Symbol.asyncIterator]();
    expect((await refused(watch.next())).refusal.reason).toBe(RefusalReason.TOO_LARGE);
  });

  // The fast lane measures what it unpacked before anybody else sees it.
  const unpacked = name === "gRPC on the fast lane" ? undefined : test;
  unpacked?.("refuses what is over the limit only once it is unpacked", async () => {
    const transport = open({ sendCompression: compressionGzip, compressMinBytes: 0 });
    const request = { name: "bomb", terms: { purpose: "x".repeat(8 * LIMIT) } };
    const { refusal } = await refused(createClient(MaestroService, transport).declareCharter(request));
    expect(refusal).toMatchObject({ reason: RefusalReason.TOO_LARGE, metadata: { limit_bytes: String(LIMIT) } });
  });
});

describe("bytes that are no message", () => {
  const path = "/maestro.v1.MaestroService/DeclareCharter";
  const garbage = Buffer.from([0x0a, 0xff, 0xff]);

  async function post(type: string, body: Uint8Array | string, headers: Readonly<Record<string, string>> = {}) {
    const response = await fetch(`${server.wideUrl}${path}`, {
      method: "POST",
      headers: { "content-type": type, ...headers },
      body,
      signal: AbortSignal.timeout(10_000),
    });
    return { status: response.status, body: Buffer.from(await response.arrayBuffer()) };
  }

  async function unary(
    type: string,
    body: Uint8Array | string,
  ): Promise<{ readonly status: number; readonly refusal: Refusal }> {
    const answer = await post(type, body);
    const { details } = JSON.parse(answer.body.toString()) as {
      readonly details: readonly { readonly value: string }[];
    };
    return {
      status: answer.status,
      refusal: fromBinary(RefusalSchema, Buffer.from(details[0]?.value ?? "", "base64")),
    };
  }

  test.each([
    ["cut off", "application/proto", garbage, "DeclareCharterRequest"],
    ["no JSON", "application/json", '{"name":', "DeclareCharterRequest"],
    ["no object", "application/json", "[]", "DeclareCharterRequest"],
    ["no UTF-8", "application/json", Buffer.from([0x7b, 0x22, 0xff, 0xfe]), "DeclareCharterRequest"],
    ["a number for a name", "application/json", '{"name":7}', "name"],
    ["a text for a budget", "application/json", '{"name":"a","terms":{"budget":"much"}}', "Budget"],
    [
      "a number that is too large",
      "application/json",
      '{"name":"a","terms":{"budget":{"tokens":"99999999999999999999"}}}',
      "tokens",
    ],
    ["nested without end", "application/json", `${'{"terms":'.repeat(20_000)}{}${"}".repeat(20_000)}`, ""],
    ["brackets without end", "application/json", "[".repeat(1_000_000), "DeclareCharterRequest"],
  ] as const)("%s: by Connect", async (_, type, body, field) => {
    const { status, refusal } = await unary(type, body);
    expect(status).toBe(400);
    expect(refusal.reason).toBe(RefusalReason.INVALID_REQUEST);
    expect(refusal.violations[0]?.field).toContain(field);
  });

  test.each([
    ["application/grpc-web+proto", garbage],
    ["application/grpc-web+json", Buffer.from('{"name":7}')],
  ] as const)("by gRPC-Web as %s", async (type, message) => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    const { body } = await post(type, Buffer.concat([head, message]));
    const trailers = body.subarray(5).toString();
    expect(body[0]).toBe(0x80);
    expect(trailers).toMatch(/^grpc-status: 3\r$/m);
    expect(trailers).toMatch(/^grpc-status-details-bin: /m);
  });

  test("that end before their envelope does, or promise more than comes, are answered", async () => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(100, 1);
    for (const bytes of [head.subarray(0, 3), Buffer.concat([head, garbage])]) {
      const { body } = await post("application/grpc-web+proto", bytes);
      expect(body.subarray(5).toString()).toMatch(/^grpc-status: 3\r$/m);
      expect(body.subarray(5).toString()).toMatch(/^grpc-status-details-bin: /m);
    }
  });

  test.each([
    ["no message at all", Buffer.alloc(0)],
    ["two messages", Buffer.alloc(10)],
    ["a flag that nobody knows", Buffer.from([7, 0, 0, 0, 0])],
    ["packed in no way", Buffer.from([1, 0, 0, 0, 1, 0])],
  ])("as %s are refused like any other", async (_, bytes) => {
    const { body } = await post("application/grpc-web+proto", bytes);
    expect(body.subarray(5).toString()).toMatch(/^grpc-status: 3\r$/m);
    expect(body.subarray(5).toString()).toMatch(/^grpc-status-details-bin: /m);
  });

  test("in a query that is no base64, and as a stream without a message, are refused", async () => {
    const query = `${server.wideUrl}/maestro.v1.PlanService/GetPlan?encoding=proto&base64=1&message=%25%25`;
    const response = await fetch(query);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_argument", details: [{}] });
    const stream = await fetch(`${server.wideUrl}/maestro.v1.PlanService/WatchPlan`, {
      method: "POST",
      headers: { "content-type": "application/connect+json" },
    });
    expect(await stream.text()).toMatch(/"code":"invalid_argument".*"details":\[\{/);
  });

  test("that say they are packed and are not, are answered", async () => {
    const packed = await post("application/proto", garbage, { "content-encoding": "gzip" });
    expect(packed.status).toBe(400);
    const cut = await post("application/proto", gzipSync(Buffer.alloc(1_000)).subarray(0, 20), {
      "content-encoding": "gzip",
    });
    expect(cut.status).toBe(400);
    const unknown = await post("application/proto", garbage, { "content-encoding": "lzma" });
    expect(JSON.parse(unknown.body.toString())).toMatchObject({ code: "unimplemented" });
  });
});

test.each(["the wide port", "the fast lane"])(
  "a message too large in the midst of a stream on %s ends it with a goodbye",
  async (lane) => {
    const baseUrl = lane === "the wide port" ? server.wideUrl : `http://${server.grpcUrl}`;
    const executor = attach(createGrpcTransport({ baseUrl }));
    const spec = { name: lane.replaceAll(" ", "-"), capabilities: ["none"], slots: 1 };
    executor.say({ case: "hello", value: { spec, incarnation: "one" } });
    await executor.hear("welcome");
    executor.say({ case: "renewals", value: { renewals: [{ message: "x".repeat(LIMIT) }] } });
    const { refusal } = await executor.hear("goodbye");
    expect(refusal?.reason).toBe(RefusalReason.TOO_LARGE);
  },
);

describe("JSON that says what the contract does not know", () => {
  test.each([
    ["a field", { name: "odd", terms: { budgett: { tokens: "5" } } }, "budgett"],
    ["a word", { name: "odd", terms: { staleRule: "STALE_RULE_FOO" } }, "STALE_RULE_FOO"],
  ])("is refused by name: %s", async (_, body, named) => {
    const response = await fetch(`${server.wideUrl}/maestro.v1.MaestroService/DeclareCharter`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(400);
    expect(JSON.stringify(await response.json())).toContain(named);
    const read = createClient(CharterService, createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "1.1" }));
    expect((await refused(read.getCharter({ charter: "odd" }))).code).toBe(5);
  });
});
