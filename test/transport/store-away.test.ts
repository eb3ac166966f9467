// What callers hear when the database is away: quickly, by name, and that they may try again.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { RefusalReason, RefusalSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import type { EngineHandle } from "../../src/store/postgres/engines/embedded.ts";
import { startServer } from "./server.ts";
import type { TestServer } from "./server.ts";

let folder: string;
let engine: EngineHandle;
let server: TestServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "maestro-away-"));
  engine = await startEmbedded({ dataDir: folder, log: () => undefined });
  server = await startServer({ databaseUrl: engine.url });
});
afterAll(async () => {
  await server.end();
  await rm(folder, { recursive: true, force: true });
});

test("calls are refused as UNAVAILABLE within seconds, and the server says that it is not ready", async () => {
  const transport = createGrpcTransport({ baseUrl: server.wideUrl });
  const { executor } = await createClient(ExecutorService, transport).registerExecutor({
    spec: { name: "e", capabilities: ["x"], slots: 1 },
  });
  expect((await fetch(`${server.wideUrl}/readyz`)).status).toBe(200);
  await engine.stop();
  const maestro = createClient(MaestroService, transport);
  const calls: readonly (() => Promise<unknown>)[] = [
    () => createClient(IdentityService, transport).whoAmI({}),
    () => maestro.declareCharter({ name: "away", terms: {}, idempotencyKey: "away" }),
    () => maestro.dispatchNext({ executorId: executor?.executorId ?? "", maxSteps: 1 }),
  ];
  for (const call of calls) {
    const error = await call().then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(ConnectError);
    const { code } = error as ConnectError;
    const [refusal] = (error as ConnectError).findDetails(RefusalSchema);
    expect(code).toBe(Code.Unavailable);
    expect(refusal).toMatchObject({ reason: RefusalReason.UNAVAILABLE, retryable: true });
    expect(refusal?.retryAfter).toBeDefined();
  }
  await expect.poll(async () => (await fetch(`${server.wideUrl}/readyz`)).status, { timeout: 10_000 }).toBe(503);
}, 20_000);
