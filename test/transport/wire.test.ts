// Both listeners with foreign and own clients: protocols on one port, refusals with their details, size, validation, idempotency, pages.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CharterService } from "../../gen/maestro/v1/charter_service_pb.ts";
import { GoalService } from "../../gen/maestro/v1/goal_service_pb.ts";
import { GraphService } from "../../gen/maestro/v1/graph_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import {
  DeclareCharterRequestSchema,
  DeclareCharterResponseSchema,
  MaestroService,
} from "../../gen/maestro/v1/maestro_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { refusalOf, refused } from "./refused.ts";
import { startServer } from "./server.ts";
import type { TestServer } from "./server.ts";

let server: TestServer;
let fast: Client;
let grpc: Transport;

beforeAll(async () => {
  server = await startServer();
  fast = new Client(`127.0.0.1:${server.grpcPort}`, credentials.createInsecure());
  grpc = createGrpcTransport({ baseUrl: server.wideUrl });
});
afterAll(async () => {
  fast.close();
  await server.end();
});

type Declare = MessageInitShape<typeof DeclareCharterRequestSchema>;

/** A call of the foreign client with bytes of our making. */
function call(path: string, request: Uint8Array, headers: Readonly<Record<string, string>> = {}): Promise<Buffer> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return new Promise((resolve, reject) => {
    fast.makeUnaryRequest(
      path,
      (b: Uint8Array) => Buffer.from(b),
      (b: Buffer) => b,
      request,
      metadata,
      (error, answer) =>
        error === null && answer !== undefined ? resolve(answer) : reject(error ?? new Error("no answer")),
    );
  });
}

async function declare(request: Declare, headers: Readonly<Record<string, string>> = {}) {
  const bytes = await call(
    "/maestro.v1.MaestroService/DeclareCharter",
    toBinary(DeclareCharterRequestSchema, create(DeclareCharterRequestSchema, request)),
    headers,
  );
  return fromBinary(DeclareCharterResponseSchema, bytes);
}

describe("one port", () => {
  const transports: Readonly<Record<string, () => Transport>> = {
    "gRPC over h2c": () => grpc,
    "gRPC-Web over HTTP/1.1": () => createGrpcWebTransport({ baseUrl: server.wideUrl, httpVersion: "1.1" }),
    "Connect over HTTP/1.1": () => createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "1.1" }),
    "Connect over h2c": () => createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "2" }),
    "Connect in JSON": () =>
      createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "1.1", useBinaryFormat: false }),
    "Connect by GET": () => createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "1.1", useHttpGet: true }),
  };
  test.each(Object.keys(transports))("%s is answered", async (name) => {
    const transport = transports[name]?.();
    if (transport === undefined) throw new Error(name);
    const who = await createClient(IdentityService, transport).whoAmI({});
    expect(who.principal).toBe("local");
    expect(who.org?.name).toBe("default");
  });

  test("native gRPC of a foreign client is answered by the fast lane", async () => {
    const { charter, changed } = await declare({ name: "foreign", terms: { purpose: "a client that is not ours" } });
    expect(changed).toBe(true);
    expect(charter?.charterId).toMatch(/^charter_[0-9a-z]{26}$/);
  });

  test("localhost is ::1 as well as 127.0.0.1", async () => {
    const client = createClient(
      IdentityService,
      createConnectTransport({ baseUrl: `http://[::1]:${server.widePort}`, httpVersion: "1.1" }),
    );
    expect((await client.whoAmI({})).principal).toBe("local");
  });
});

describe("refusals", () => {
  test("carry the same code and detail on both listeners", async () => {
    const wide = await refused(createClient(CharterService, grpc).getCharter({ charter: "nobody" }));
    expect(wide.code).toBe(Code.NotFound);
    expect(wide.refusal).toMatchObject({
      reason: RefusalReason.NOT_FOUND,
      metadata: { kind: "charter", id: "nobody" },
    });
    const lane = await refused(declare({ name: "", terms: {} }));
    expect(lane.code).toBe(Code.InvalidArgument);
    expect(lane.refusal.violations.map((v) => v.field)).toContain("name");
  });

  test("name every field that is wrong", async () => {
    const { refusal } = await refused(
      createClient(MaestroService, grpc).declareCharter({
        name: "",
        terms: { minTrust: 2, budget: { currency: "dollars" } },
      }),
    );
    expect(refusal.violations.map((v) => v.field).sort()).toEqual(["name", "terms.budget.currency", "terms.min_trust"]);
  });

  test("name the field of an id that is none, and of text that holds a NUL", async () => {
    const bad = await refused(createClient(GoalService, grpc).getGoal({ goalId: "plan_01h455vb4pex5vsknk084sn02q" }));
    expect(bad.refusal.violations).toMatchObject([{ field: "goal_id", rule: "id.goal" }]);
    const nul = await refused(createClient(MaestroService, grpc).declareCharter({ name: "a\0b", terms: {} }));
    expect(nul.refusal.violations).toMatchObject([{ field: "name", rule: "string.nul" }]);
  });

  test("of a missing goal speak of its id as it was given", async () => {
    const goalId = "goal_01h455vb4pex5vsknk084sn02q";
    const { refusal } = await refused(createClient(GoalService, grpc).getGoal({ goalId }));
    expect(refusal.metadata["id"]).toBe(goalId);
    expect(refusal.explanation).toContain(goalId);
  });

  test("of bytes that are no message name it, and of too many say how many", async () => {
    const garbage = await refused(call("/maestro.v1.MaestroService/DeclareCharter", Uint8Array.of(0x0a, 0xff, 0xff)));
    expect(garbage.refusal.reason).toBe(RefusalReason.INVALID_REQUEST);
    const large = toBinary(
      DeclareCharterRequestSchema,
      create(DeclareCharterRequestSchema, { name: "large", terms: { purpose: "x".repeat(4 * 1024 * 1024) } }),
    );
    const { code, refusal } = await refused(call("/maestro.v1.MaestroService/DeclareCharter", large));
    expect(code).toBe(Code.ResourceExhausted);
    expect(refusal).toMatchObject({
      reason: RefusalReason.TOO_LARGE,
      metadata: { limit_bytes: "4194304", size_bytes: String(large.length) },
    });
    await expect(
      createClient(MaestroService, grpc).declareCharter({
        name: "large",
        terms: { purpose: "x".repeat(4 * 1024 * 1024) },
      }),
    ).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });

  test("that were decided have a record; those of bad requests are only counted", async () => {
    await declare({ name: "revised", terms: {} });
    const decided = await refused(declare({ name: "revised", terms: { purpose: "other" }, expectedRevision: 7 }));
    expect(decided.refusal.reason).toBe(RefusalReason.VERSION_CONFLICT);
    expect(decided.refusal.recordUri).toMatch(/^max:\/\/record\/rec_[0-9a-z]{26}$/);
    const malformed = await refused(declare({ name: "", terms: {} }));
    expect(malformed.refusal.recordUri).toBe("");
  });
});

describe("idempotency keys", () => {
  test("give the same answer to the same body, from field or header", async () => {
    const request = { name: "once", terms: { purpose: "one" } };
    const first = await declare({ ...request, idempotencyKey: "key-1" });
    const second = await declare(request, { "idempotency-key": "key-1" });
    expect(first.changed).toBe(true);
    expect(second).toEqual(first);
  });

  test("are refused with another body, and when header and field differ", async () => {
    await declare({ name: "twice", terms: {}, idempotencyKey: "key-2" });
    const other = await refused(declare({ name: "twice", terms: { purpose: "other" }, idempotencyKey: "key-2" }));
    expect(other).toMatchObject({
      code: Code.AlreadyExists,
      refusal: { reason: RefusalReason.IDEMPOTENCY_CONFLICT, metadata: { key: "key-2" } },
    });
    const differs = await refused(
      declare({ name: "twice", terms: {}, idempotencyKey: "key-2" }, { "idempotency-key": "key-3" }),
    );
    expect(differs.refusal.reason).toBe(RefusalReason.IDEMPOTENCY_CONFLICT);
  });

  test("remember a final refusal with its record", async () => {
    await declare({ name: "final", terms: {} });
    const request = { name: "final", terms: { purpose: "x" }, expectedRevision: 9, idempotencyKey: "key-4" };
    const first = await refused(declare(request));
    const second = await refused(declare(request));
    expect(second.refusal).toEqual(first.refusal);
  });

  test("do not keep the secret of an API key", async () => {
    const client = createClient(IdentityService, grpc);
    const request = { principal: "robot", grants: ["map.maestro.*"], idempotencyKey: "key-5" };
    const first = await client.createApiKey(request);
    const second = await client.createApiKey(request);
    expect(first.secret).toMatch(/^mk_/);
    expect(second.key).toEqual(first.key);
    expect(second.secret).toBe("");
  });
});

describe("API keys", () => {
  const withKey = (secret: string): Transport =>
    createGrpcTransport({
      baseUrl: server.wideUrl,
      interceptors: [(next) => (request) => (request.header.set("authorization", `Bearer ${secret}`), next(request))],
    });

  test("say who calls, may do what they grant and nothing else, and end when they are revoked", async () => {
    const admin = createClient(IdentityService, grpc);
    const { key, secret } = await admin.createApiKey({ principal: "reader", grants: ["map.maestro.identity.who"] });
    const mine = withKey(secret);
    expect((await createClient(IdentityService, mine).whoAmI({})).principal).toBe("reader");
    const lacking = await refused(createClient(MaestroService, mine).declareCharter({ name: "no", terms: {} }));
    expect(lacking).toMatchObject({
      code: Code.PermissionDenied,
      refusal: { metadata: { capability: "map.maestro.charter.declare" } },
    });
    await admin.revokeApiKey({ keyId: key?.keyId ?? "" });
    expect((await refused(createClient(IdentityService, mine).whoAmI({}))).code).toBe(Code.Unauthenticated);
  });

  test("that nobody knows are refused even on loopback", async () => {
    expect((await refused(createClient(IdentityService, withKey("mk_unknown")).whoAmI({}))).refusal.reason).toBe(
      RefusalReason.UNAUTHENTICATED,
    );
  });

  test("are needed for calls through a proxy, whose address is not the caller's", async () => {
    await expect(
      call("/maestro.v1.IdentityService/WhoAmI", new Uint8Array(), { "x-forwarded-for": "203.0.113.9" }).catch(
        refusalOf,
      ),
    ).resolves.toMatchObject({ reason: RefusalReason.UNAUTHENTICATED });
  });
});

describe("pages", () => {
  test("of large entries are cut to what a message may have, and lead on", async () => {
    await declare({ name: "large-pages", terms: {} });
    const steps = (from: number) =>
      Array.from({ length: 10 }, (_, i) => ({
        key: `s${String(from + i).padStart(2, "0")}`,
        kind: { case: "work" as const, value: { capability: "x" } },
        input: { value: { case: "json" as const, value: JSON.stringify("x".repeat(250_000)) } },
      }));
    const { goal, version } = await createClient(MaestroService, grpc).refineGoal({
      target: { case: "newGoal", value: { charter: "large-pages", spec: { name: "large" } } },
      steps: steps(0),
      open: true,
    });
    const graph = createClient(GraphService, grpc);
    const which = { goalId: goal?.goalId ?? "", version: version?.version ?? 0 };
    await graph.addSteps({ ...which, steps: steps(10) });
    const keys: string[] = [];
    let pageToken = "";
    do {
      const page = await graph.listGraphSteps({ ...which, pageToken });
      keys.push(...page.steps.map((step) => step.definition?.key ?? ""));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(keys).toEqual([...steps(0), ...steps(10)].map((step) => step.key));
  });

  test("hold every entry once; a token of another list is refused", async () => {
    const client = createClient(CharterService, grpc);
    for (const name of ["page-a", "page-b", "page-c"]) await declare({ name, terms: {} });
    const names: string[] = [];
    let pageToken = "";
    do {
      const page = await client.listCharters({ pageSize: 2, pageToken });
      names.push(...page.charters.map((charter) => charter.name));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(names).toEqual([...new Set(names)].sort());
    expect(names).toEqual(expect.arrayContaining(["page-a", "page-b", "page-c"]));
    const { nextPageToken } = await client.listCharters({ pageSize: 1 });
    const { refusal } = await refused(createClient(IdentityService, grpc).listApiKeys({ pageToken: nextPageToken }));
    expect(refusal.violations).toMatchObject([{ field: "page_token" }]);
  });
});
