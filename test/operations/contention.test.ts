// What one busy plan or one busy org can do to the others: nothing. Not here: what the calls do.
import type { Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { servers } from "../support/store.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

let database: TestDatabase;
let server: TestServer;
let local: Transport;
let admin: postgres.Sql;

beforeAll(async () => {
  const [engine] = servers();
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
  local = createGrpcTransport({ baseUrl: server.wideUrl });
  admin = postgres(database.adminUrl, { max: 2 });
  await createClient(MaestroService, local).declareCharter({ name: "free", terms: {} });
});
afterAll(async () => {
  await admin.end();
  await server.end();
  await database.drop();
});

const plan = (transport: Transport) =>
  createClient(MaestroService, transport).plan({
    target: { case: "newGoal", value: { charter: "free", spec: { name: "g" } } },
    steps: [{ key: "a", kind: { case: "work", value: { capability: "x" } } }],
  });

async function anotherOrg(): Promise<Transport> {
  const { secret } = await createClient(IdentityService, local).createOrg({ name: "other" });
  const transport = createGrpcTransport({
    baseUrl: server.wideUrl,
    interceptors: [(next) => (request) => (request.header.set("authorization", `Bearer ${secret}`), next(request))],
  });
  await createClient(MaestroService, transport).declareCharter({ name: "free", terms: {} });
  return transport;
}

test("calls that wait for one locked plan leave the session and other orgs alone, and are told to try again", async () => {
  const other = await anotherOrg();
  const { plan: row } = await plan(local);
  const planId = row?.planId ?? "";
  const locked = Promise.withResolvers<undefined>();
  const enough = Promise.withResolvers<undefined>();
  const holder = admin.begin(async (tx) => {
    await tx`SELECT 1 FROM maestro.plans FOR UPDATE`;
    locked.resolve(undefined);
    await enough.promise;
  });
  await locked.promise;
  const suspend = () => refused(createClient(PlanService, local).suspendPlan({ planId, reason: "" }));
  const waiting = Array.from({ length: 24 }, suspend);
  const refusals = waiting.map((one) => one.then(({ refusal }) => refusal));
  for (const one of refusals) one.catch(() => undefined);
  const expires = async (): Promise<number> =>
    Number((await admin`SELECT max(expires_ms) AS ms FROM maestro.server_sessions`)[0]?.["ms"]);
  await expect
    .poll(
      async () =>
        (await admin`SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)[0]?.[
          "n"
        ] as number,
    )
    .toBeGreaterThan(0);
  const before = await expires();
  // Answered while they wait, not after the first of them has given up.
  const first = await Promise.race([plan(other).then(() => "planned"), refusals[0]?.then(() => "refused")]);
  expect(first).toBe("planned");
  await expect.poll(expires, { timeout: 3_000 }).toBeGreaterThan(before);
  expect(await refusals[0]).toMatchObject({
    reason: RefusalReason.UNAVAILABLE,
    rule: "store.busy",
    retryable: true,
  });
  expect((await fetch(`${server.wideUrl}/readyz`)).status).toBe(200);
  enough.resolve(undefined);
  await holder;
  await Promise.allSettled(refusals);
}, 40_000);

test("large graphs that come at once are all planned, one after the other", async () => {
  const steps = Array.from({ length: 1_000 }, (_, i) => ({
    key: `s${String(i)}`,
    kind: { case: "work" as const, value: { capability: "x" } },
    needs: i === 0 ? [] : [{ step: `s${String(i - 1)}` }],
  }));
  const maestro = createClient(MaestroService, local);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      maestro.plan({
        target: { case: "newGoal", value: { charter: "free", spec: { name: "large" } } },
        steps,
        idempotencyKey: `large-${String(i)}`,
      }),
    ),
  );
  expect(answers.map(({ version }) => version?.stepCount)).toEqual(Array.from({ length: 8 }, () => 1_000));
}, 40_000);
