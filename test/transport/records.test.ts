// What records say of the stages that a call went through, whichever way it came. Not here: leaves and commitments, see the store's contract.
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { asAdmin, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { all, attach, success } from "./peers.ts";
import { startServer } from "./server.ts";
import type { TestServer } from "./server.ts";

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

test("an outcome on a stream leaves the same stages behind as a call does; what a plan does by itself has none", async () => {
  const transport = createGrpcTransport({ baseUrl: server.wideUrl });
  const maestro = createClient(MaestroService, transport);
  await maestro.declareCharter({ name: "staged", terms: {} });
  const { plan } = await maestro.plan({
    target: { case: "newGoal", value: { charter: "staged", spec: { name: "staged" } } },
    steps: [{ key: "a", kind: { case: "work", value: { capability: "staged" } } }],
  });
  const planId = plan?.planId ?? "";
  const executor = attach(transport);
  const spec = { name: "staged", capabilities: ["staged"], slots: 1 };
  executor.say({ case: "hello", value: { spec, incarnation: "one" } });
  const { assignments } = await executor.hear("assignments");
  executor.say({ case: "outcomes", value: { outcomes: [success(assignments[0])] } });
  await executor.acks();
  executor.end();
  await all(createClient(PlanService, transport).watchPlan({ planId }));

  const rows = await asAdmin(
    database.adminUrl,
    (sql) => sql<{ kind: string; header: string; body: string }[]>`SELECT kind, header, body FROM maestro.records`,
  );
  const stages = { identify: "local", authorize: "granted", treaty: "no rules", policy: "no rules" };
  const said = rows.map(({ kind, header, body }) => [
    kind,
    (JSON.parse(header) as { actor: string }).actor,
    (JSON.parse(body) as { stages?: unknown }).stages,
  ]);
  expect(said).toContainEqual(["outcome.report", "local", stages]);
  expect(said).toContainEqual(["graph.commit", "local", stages]);
  expect(said).toContainEqual(["plan.completed", "maestro", undefined]);
  expect(said.filter(([, actor, what]) => (actor === "maestro") !== (what === undefined))).toEqual([]);
});
