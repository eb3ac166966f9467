// What callers and probes hear when the database's disk is full: by name, and that they may try again.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import type { ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason, RefusalSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import type { EngineHandle } from "../../src/store/postgres/engines/embedded.ts";
import { all, success } from "./peers.ts";
import { startServer } from "./server.ts";
import type { TestServer } from "./server.ts";

let folder: string;
let engine: EngineHandle;
let server: TestServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "maestro-full-"));
  engine = await startEmbedded({ dataDir: folder, log: () => undefined });
  server = await startServer({ databaseUrl: engine.url });
});
afterAll(async () => {
  await server.end();
  await engine.stop();
  await rm(folder, { recursive: true, force: true });
});

test("a full disk is named, and the server is not ready until there is room again", async () => {
  const transport = createGrpcTransport({ baseUrl: server.wideUrl });
  const maestro = createClient(MaestroService, transport);
  await maestro.declareCharter({ name: "full", terms: {} });
  const made = await maestro.plan({
    target: { case: "newGoal", value: { charter: "full", spec: { name: "full" } } },
    steps: [{ key: "a", kind: { case: "work", value: { capability: "full" } } }],
  });
  const { executor } = await createClient(ExecutorService, transport).registerExecutor({
    spec: { name: "full", capabilities: ["full"], slots: 1 },
  });
  const executorId = executor?.executorId ?? "";
  const { assignments } = await maestro.dispatchNext({ executorId, maxSteps: 1 });
  const sql = postgres(engine.url, { max: 1, onnotice: () => undefined });
  try {
    await sql.unsafe(`CREATE FUNCTION maestro.full_disk() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`);
    for (const table of ["attempts", "charters"])
      await sql.unsafe(
        `CREATE TRIGGER full_disk BEFORE INSERT ON maestro.${table} FOR EACH ROW EXECUTE FUNCTION maestro.full_disk()`,
      );
    const error = await maestro.declareCharter({ name: "fuller", terms: {} }).catch((e: unknown) => e);
    expect((error as ConnectError).findDetails(RefusalSchema)).toMatchObject([
      { reason: RefusalReason.UNAVAILABLE, rule: "store.full", retryable: true },
    ]);
    const reported = maestro.reportOutcome({ executorId, outcomes: [success(assignments[0], "{}")] });
    const readiness = async (): Promise<number> => (await fetch(`${server.wideUrl}/readyz`)).status;
    await expect.poll(readiness, { timeout: 5_000 }).toBe(503);
    for (const table of ["attempts", "charters"]) await sql.unsafe(`DROP TRIGGER full_disk ON maestro.${table}`);
    expect((await reported).results).toMatchObject([{ result: { case: "receipt" } }]);
    await expect.poll(readiness, { timeout: 5_000 }).toBe(200);
    await all(createClient(PlanService, transport).watchPlan({ planId: made.plan?.planId ?? "" }));
  } finally {
    await sql.end();
  }
}, 20_000);
