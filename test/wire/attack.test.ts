// Well-formed requests that cannot be right, over Connect JSON: each is refused by the field or the thing that is wrong, none is a bug,
// nothing is changed, and nobody else waits meanwhile. Not here: messages that cannot be read, see unreadable.test.ts.
import { fromBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { RefusalReason, RefusalSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { asAdmin, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { attach, success } from "../transport/peers.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";
import { attacks } from "./attacks.ts";

let database: TestDatabase;
let server: TestServer;
let planId: string;
let goalId: string;
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
  const maestro = createClient(MaestroService, createGrpcTransport({ baseUrl: server.wideUrl }));
  await maestro.declareCharter({ name: "target", terms: { budget: { tokens: 100n } } });
  const { plan, goal } = await maestro.plan({
    target: { case: "newGoal", value: { charter: "target", spec: { name: "target" } } },
    steps: [{ key: "a", kind: { case: "work", value: { capability: "never" } } }],
  });
  planId = plan?.planId ?? "";
  goalId = goal?.goalId ?? "";
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

async function post(method: string, body: unknown) {
  const response = await fetch(`${server.wideUrl}/maestro.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  });
  const answer = (await response.json()) as {
    readonly code?: string;
    readonly message?: string;
    readonly details?: readonly { readonly value: string }[];
  };
  const detail = answer.details?.[0]?.value;
  return {
    code: answer.code ?? "none",
    message: answer.message ?? "",
    refusal: detail === undefined ? undefined : fromBinary(RefusalSchema, Buffer.from(detail, "base64")),
  };
}

async function everything(): Promise<Readonly<Record<string, number>>> {
  const tables = ["charters", "goals", "plans", "steps", "graph_versions", "executors", "api_keys", "attempts"];
  return asAdmin(database.adminUrl, async (sql) => {
    const counted: Record<string, number> = {};
    for (const table of tables) {
      const [row] = await sql<{ n: number }[]>`SELECT count(*)::int AS n FROM ${sql(`maestro.${table}`)}`;
      counted[table] = row?.n ?? 0;
    }
    const [plan] = await sql<{ rev: number }[]>`SELECT sum(rev)::int AS rev FROM maestro.plans`;
    return { ...counted, rev: plan?.rev ?? 0 };
  });
}

describe("refused, by name, and nothing changed:", () => {
  test.each(attacks)("%s", async (_, method, body, named) => {
    const before = await everything();
    const { code, message, refusal } = await post(method, body({ planId, goalId }));
    expect(["none", "internal", "unknown", "unimplemented"], `${code}: ${message}`).not.toContain(code);
    if (refusal === undefined) throw new Error(`${code} without a refusal: ${message}`);
    if (typeof named === "string") expect(refusal.violations.map((v) => v.field)).toContain(named);
    else expect(refusal.explanation).toMatch(named);
    expect(await everything()).toEqual(before);
  });
});

test("an outcome before its lease, of another's lease, and of a step that never was, are refused one by one", async () => {
  const executor = attach(createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` }));
  executor.say({
    case: "hello",
    value: { spec: { name: "liar", capabilities: ["lies"], slots: 1 }, incarnation: "1" },
  });
  await executor.hear("welcome");
  const leases = [
    { planId, step: "a", ordinal: 1, fencing: 1n },
    { planId, step: "a", ordinal: 1, fencing: 9_007_199_254_740_991n },
    { planId, step: "ghost", ordinal: 1, fencing: 1n },
    { planId, step: "a", ordinal: 2_000_000_000, fencing: 1n },
    { planId: "plan_01h455vb4pex5vsknk084sn02q", step: "a", ordinal: 1, fencing: 1n },
  ];
  executor.say({
    case: "outcomes",
    value: { outcomes: leases.map((lease) => ({ ...success({ lease } as never), lease })) },
  });
  const reasons: (RefusalReason | undefined)[] = [];
  while (reasons.length < leases.length) {
    const acks = await executor.acks();
    for (const { result } of acks) reasons.push(result.case === "refusal" ? result.value.reason : undefined);
  }
  expect(reasons.sort()).toEqual(
    [
      RefusalReason.STALE_LEASE,
      RefusalReason.STALE_LEASE,
      RefusalReason.NOT_FOUND,
      RefusalReason.NOT_FOUND,
      RefusalReason.NOT_FOUND,
    ].sort(),
  );
  executor.end();
});
