// A pack of a plan's run with everything that a pack can have: evidence, a waiver that lifts a rule, records with and without bodies.
// Had from a server that is gone by then. Not here: expectations.
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import type { Interceptor } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { inject } from "vitest";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { startServer } from "../transport/server.ts";
import { contentOf, digestOf, put } from "./artifacts.ts";
import { makeDatabase } from "./database.ts";
import { exported } from "./packs.ts";

export interface RichPack {
  readonly archive: Buffer;
  readonly keyId: string;
  readonly publicPem: string;
}

export async function richPack(): Promise<RichPack> {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  const database = await makeDatabase(engine);
  const server = await startServer({ databaseUrl: database.url });
  try {
    return await packFrom(`http://${server.grpcUrl}`);
  } finally {
    await server.end();
    await database.drop();
  }
}

async function packFrom(baseUrl: string): Promise<RichPack> {
  const transport = (interceptors: Interceptor[] = []) => createGrpcTransport({ baseUrl, interceptors });
  const conductor = createClient(ConductorService, transport());
  const maestro = createClient(MaestroService, transport());
  await maestro.declareCharter({ name: "rich", terms: {} });
  const { plan } = await maestro.plan({
    target: { case: "newGoal", value: { charter: "rich", spec: { name: "rich" } } },
    steps: ["a", "b"].map((key) => ({ key, kind: { case: "work" as const, value: { capability: key } } })),
  });
  const runId = plan?.planId ?? "";
  await createClient(PlanService, transport()).suspendPlan({ planId: runId, reason: "for another record" });
  await createClient(PlanService, transport()).resumePlan({ planId: runId });
  const content = contentOf(3_000, 9);
  const { uri } = await put(createClient(ArtifactService, transport()), content);
  const artifactIds: string[] = [];
  for (const pathOrUri of [uri, "https://example.org/report.html"]) {
    const contentHash = pathOrUri === uri ? digestOf(content) : "";
    const made = await conductor.createArtifact({ runId, kind: ArtifactKind.OTHER, pathOrUri, contentHash });
    artifactIds.push(made.artifact?.id ?? "");
  }
  const { secret } = await createClient(IdentityService, transport()).createApiKey({ principal: "bob", grants: ["*"] });
  const asBob: Interceptor = (next) => (call) => {
    call.header.set("authorization", `Bearer ${secret}`);
    return next(call);
  };
  await createClient(ConductorService, transport([asBob])).grantWaiver({
    runId,
    rule: "artifacts.compliant",
    reason: "seen by two",
    expiresAt: timestampFromMs(Date.now() + 3_600_000),
  });
  const { disclosurePack } = await conductor.createDisclosurePack({
    runId,
    summary: "all of it",
    artifactIds,
    redactions: ["plan.susp*"],
  });
  const { archive, bytes } = await exported(conductor, disclosurePack?.id ?? "");
  const { signingKeys } = await conductor.listSigningKeys({});
  return { archive: bytes, keyId: archive.keyId, publicPem: signingKeys[0]?.publicKeyPem ?? "" };
}
