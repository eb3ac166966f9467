// A bill of materials that is kept here, and how long a gate that reads it takes. Not here: the figures.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ArtifactKind } from "../../../gen/maestro/conductor/v1/artifact_pb.ts";
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { VerdictState } from "../../../gen/maestro/conductor/v1/release_gate_pb.ts";
import { RunStatus } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import { ArtifactService } from "../../../gen/maestro/v1/artifact_service_pb.ts";
import { GateMode } from "../../../gen/maestro/v1/charter_pb.ts";
import { MaestroService } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import { put } from "../artifacts.ts";

export interface EvidenceLoadOptions {
  /** Of the wide port. */
  readonly port: number;
  readonly key: string;
  readonly components: number;
  readonly times: number;
}

/** How long each judgement took, ms. */
export async function evidenceLoad({ port, key, components, times }: EvidenceLoadOptions): Promise<readonly number[]> {
  const transport = createConnectTransport({
    baseUrl: `http://127.0.0.1:${String(port)}`,
    httpVersion: "2",
    interceptors: [(next) => (request) => (request.header.set("authorization", `Bearer ${key}`), next(request))],
  });
  const conductor = createClient(ConductorService, transport);
  const charter = `evidence-${crypto.randomUUID()}`;
  const terms = { release: { mode: GateMode.VERIFIED } };
  await createClient(MaestroService, transport).declareCharter({ name: charter, terms });
  const kept = await put(createClient(ArtifactService, transport), Buffer.from(billOf(components)));
  const { run } = await conductor.createRun({ name: "evidence", owner: "bench", charter, status: RunStatus.SUCCEEDED });
  const runId = run?.id ?? "";
  await conductor.createArtifact({ runId, kind: ArtifactKind.SBOM, pathOrUri: kept.uri, contentHash: kept.digest });
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const beganMs = performance.now();
    const { gate } = await conductor.checkReleaseGate({ id: runId });
    taken.push(performance.now() - beganMs);
    const read = gate?.verdicts.filter(({ rule, state }) => rule.startsWith("sbom.") && state === VerdictState.PASSED);
    if (read === undefined || read.length === 0) throw new Error(`the bill was not read: ${gate?.message ?? ""}`);
  }
  return taken;
}

function billOf(components: number): string {
  return JSON.stringify({
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${crypto.randomUUID()}`,
    version: 1,
    metadata: { timestamp: "2026-01-01T00:00:00Z", component: { type: "application", name: "app", version: "1.0.0" } },
    components: Array.from({ length: components }, (_, i) => ({
      type: "library",
      "bom-ref": `pkg:npm/package-${String(i)}@1.0.${String(i)}`,
      name: `package-${String(i)}`,
      version: `1.0.${String(i)}`,
      purl: `pkg:npm/package-${String(i)}@1.0.${String(i)}`,
      licenses: [{ license: { id: "MIT" } }],
      hashes: [{ alg: "SHA-256", content: i.toString(16).padStart(64, "0") }],
    })),
  });
}
