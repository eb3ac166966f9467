// Runs and artifacts made and read as fast as they can be, over REST, Connect and gRPC on the wide port. Not here: the figures.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ArtifactKind } from "../../../gen/maestro/conductor/v1/artifact_pb.ts";
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { nativeClient } from "./client.ts";
import { keepAlive } from "./keep-alive.ts";

/** `connect_json` is Connect with JSON over HTTP/1.1 by a client that costs next to nothing: what it says is the server's. */
export type Way = "rest" | "connect_json" | "connect" | "grpc";
export type Deed = "createRun" | "createArtifact" | "getRun" | "getArtifact";

export interface ConductorLoadOptions {
  readonly way: Way;
  readonly deed: Deed;
  /** Of the wide port. */
  readonly port: number;
  readonly key: string;
  readonly inFlight: number;
  readonly seconds: number;
  readonly windows: number;
}

export interface ConductorLoad {
  /** Calls a second in each window. */
  readonly rates: readonly number[];
  readonly latencies: readonly number[];
  /** CPU of the caller. */
  readonly cpuMs: number;
}

/** One caller's way of doing it; a way may share what it has. */
interface Caller {
  createRun(): Promise<string>;
  createArtifact(runId: string): Promise<string>;
  getRun(id: string): Promise<unknown>;
  getArtifact(id: string): Promise<unknown>;
  close(): void;
}

const RUN = {
  name: "Entity network analysis",
  owner: "analyst@example.com",
  costEstimate: 10,
  relatedEntityIds: ["entity-123", "entity-456"],
  relatedDecisionIds: ["decision-789"],
};
const FLAGS = { sbomPresent: true, slsaProvenancePresent: true, riskAssessmentPresent: true };
const URI = "s3://artifacts/sbom.json";
const HASH = `sha256:${"a1b2c3d4".repeat(8)}`;

export async function conductorLoad(options: ConductorLoadOptions): Promise<ConductorLoad> {
  const { deed, inFlight, seconds, windows } = options;
  const callers = callersOf(options);
  try {
    const [first] = callers;
    if (first === undefined) throw new Error("nobody calls");
    const runId = await first.createRun();
    const artifactId = await first.createArtifact(runId);
    const act = (caller: Caller): Promise<unknown> => {
      switch (deed) {
        case "createRun":
          return caller.createRun();
        case "createArtifact":
          return caller.createArtifact(runId);
        case "getRun":
          return caller.getRun(runId);
        case "getArtifact":
          return caller.getArtifact(artifactId);
      }
    };
    const latencies: number[] = [];
    let count = 0;
    let over = false;
    const workers = Array.from({ length: inFlight }, async (_, i) => {
      const caller = callers[i % callers.length] ?? first;
      while (!over) {
        const beganMs = performance.now();
        await act(caller);
        count += 1;
        latencies.push(performance.now() - beganMs);
      }
    });
    const rates: number[] = [];
    const usedBefore = process.cpuUsage();
    for (let i = 0; i < windows; i++) {
      const [before, beganMs] = [count, performance.now()];
      await Promise.race([pause(1_000 * seconds), Promise.all(workers)]);
      rates.push(((count - before) * 1_000) / (performance.now() - beganMs));
    }
    over = true;
    await Promise.all(workers);
    const { user, system } = process.cpuUsage(usedBefore);
    return { rates, latencies, cpuMs: (user + system) / 1_000 };
  } finally {
    for (const caller of callers) caller.close();
  }
}

function callersOf({ way, port, key, inFlight }: ConductorLoadOptions): readonly Caller[] {
  switch (way) {
    case "rest":
      return Array.from({ length: inFlight }, () => overRest(port, key));
    case "connect_json":
      return Array.from({ length: inFlight }, () => overConnectJson(port, key));
    case "connect":
      return [overConnect(port, key)];
    case "grpc":
      return [overGrpc(port, key)];
  }
}

function overRest(port: number, key: string): Caller {
  const client = keepAlive(port, key);
  const run = JSON.stringify({
    name: RUN.name,
    owner: RUN.owner,
    cost_estimate: RUN.costEstimate,
    related_entity_ids: RUN.relatedEntityIds,
    related_decision_ids: RUN.relatedDecisionIds,
  });
  const ask = async (status: number, method: string, path: string, body?: string): Promise<string> => {
    const answer = await client.ask(method, path, body);
    if (answer.status !== status) throw new Error(`${method} ${path}: ${String(answer.status)} ${answer.body}`);
    return answer.body;
  };
  const idOf = (body: string): string => (JSON.parse(body) as { readonly id: string }).id;
  return {
    createRun: async () => idOf(await ask(201, "POST", "/maestro/runs", run)),
    createArtifact: async (runId) => {
      const flags = { sbom_present: true, slsa_provenance_present: true, risk_assessment_present: true };
      const artifact = { run_id: runId, kind: "sbom", path_or_uri: URI, content_hash: HASH, metadata_json: flags };
      return idOf(await ask(201, "POST", "/maestro/artifacts", JSON.stringify(artifact)));
    },
    getRun: (id) => ask(200, "GET", `/maestro/runs/${id}`),
    getArtifact: (id) => ask(200, "GET", `/maestro/artifacts/${id}`),
    close: () => {
      client.close();
    },
  };
}

function overConnectJson(port: number, key: string): Caller {
  const client = keepAlive(port, key);
  const ask = async (rpc: string, request: object): Promise<string> => {
    const answer = await client.ask("POST", `/${ConductorService.typeName}/${rpc}`, JSON.stringify(request));
    if (answer.status !== 200) throw new Error(`${rpc}: ${String(answer.status)} ${answer.body}`);
    return answer.body;
  };
  return {
    createRun: async () => (JSON.parse(await ask("CreateRun", RUN)) as { run: { id: string } }).run.id,
    createArtifact: async (runId) => {
      const answer = await ask("CreateArtifact", { ...artifactOf(runId), kind: "ARTIFACT_KIND_SBOM" });
      return (JSON.parse(answer) as { artifact: { id: string } }).artifact.id;
    },
    getRun: (id) => ask("GetRun", { id }),
    getArtifact: (id) => ask("GetArtifact", { id }),
    close: () => {
      client.close();
    },
  };
}

function overConnect(port: number, key: string): Caller {
  const client = createClient(
    ConductorService,
    createConnectTransport({
      baseUrl: `http://127.0.0.1:${String(port)}`,
      httpVersion: "2",
      interceptors: [(next) => (request) => (request.header.set("authorization", `Bearer ${key}`), next(request))],
    }),
  );
  return {
    createRun: async () => (await client.createRun(RUN)).run?.id ?? "",
    createArtifact: async (runId) => (await client.createArtifact(artifactOf(runId))).artifact?.id ?? "",
    getRun: (id) => client.getRun({ id }),
    getArtifact: (id) => client.getArtifact({ id }),
    close: () => undefined,
  };
}

function overGrpc(port: number, key: string): Caller {
  const client = nativeClient(`127.0.0.1:${String(port)}`, key);
  const { method } = ConductorService;
  return {
    createRun: async () => (await client.call(method.createRun, RUN)).run?.id ?? "",
    createArtifact: async (runId) => (await client.call(method.createArtifact, artifactOf(runId))).artifact?.id ?? "",
    getRun: (id) => client.call(method.getRun, { id }),
    getArtifact: (id) => client.call(method.getArtifact, { id }),
    close: () => {
      client.close();
    },
  };
}

function artifactOf(runId: string) {
  return { runId, kind: ArtifactKind.SBOM, pathOrUri: URI, contentHash: HASH, metadataJson: FLAGS };
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
