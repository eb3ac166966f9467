// A server that is killed while it judges a gate loses a lease, not the gate: another one judges. Not here: gates of servers that go in
// order, see test/dispatch.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { ApprovalService } from "../../gen/maestro/v1/approval_service_pb.ts";
import { GateMode } from "../../gen/maestro/v1/charter_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { AttemptState, StepState } from "../../gen/maestro/v1/step_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startServer } from "../support/server-process.ts";
import type { ServerProcess } from "../support/server-process.ts";

let database: TestDatabase;
const servers: ServerProcess[] = [];
/** Evidence that is not answered for as long as the test likes. */
const asked = Promise.withResolvers<undefined>();
let answers = false;
const evidence = createServer((_, response) => {
  asked.resolve(undefined);
  if (answers) response.writeHead(404).end();
});

beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  await new Promise<void>((resolve) => evidence.listen(0, "127.0.0.1", resolve));
});
afterAll(async () => {
  for (const server of servers) await server.kill();
  evidence.closeAllConnections();
  evidence.close();
  await database.drop();
});

test("a killed server's gate is judged by another one within its session's life", { timeout: 90_000 }, async () => {
  const { port } = evidence.address() as AddressInfo;
  const environment = { MAESTRO_EVIDENCE_HOSTS: `127.0.0.1:${String(port)}` };
  const start = async (): Promise<ServerProcess> => {
    const server = await startServer({ databaseUrl: database.url, environment });
    servers.push(server);
    return server;
  };
  const doomed = await start();
  const other = await start();
  const at = (server: ServerProcess) => createGrpcTransport({ baseUrl: `http://${server.target}` });
  const maestro = createClient(MaestroService, at(doomed));
  await maestro.declareCharter({ name: "strict", terms: { release: { mode: GateMode.VERIFIED } } });
  const { plan } = await maestro.plan({
    target: { case: "newGoal", value: { charter: "strict", spec: { name: "killed" } } },
    steps: [
      { key: "gate", kind: { case: "gate", value: { gate: { case: "release", value: {} } } }, requiresApproval: true },
    ],
  });
  const planId = plan?.planId ?? "";
  await createClient(ConductorService, at(doomed)).createArtifact({
    runId: planId,
    kind: ArtifactKind.SBOM,
    pathOrUri: `http://127.0.0.1:${String(port)}/sbom.json`,
    metadataJson: {},
  });
  const approvals = createClient(ApprovalService, at(doomed));
  const [question] = (await approvals.listApprovals({ planId, pendingOnly: true })).approvals;
  if (question === undefined) throw new Error("nobody was asked");
  await approvals.decideApproval({ approvalId: question.approvalId, digest: question.digest, approve: true });
  await asked.promise;
  await doomed.kill();
  answers = true;

  const steps = createClient(StepService, at(other));
  for (;;) {
    const { step } = await steps.getStep({ planId, step: "gate" });
    // What it says of the evidence is another matter: it was judged.
    if (step?.state === StepState.AWAITING_APPROVAL && step.attempt > 1) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { attempts } = await steps.listAttempts({ planId, step: "gate" });
  expect(attempts.map(({ state }) => state)).toEqual([AttemptState.LOST, AttemptState.FAILED]);
  expect(attempts[1]?.failure?.message).toContain("Release gate failed");
});
