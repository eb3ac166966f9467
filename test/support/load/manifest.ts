// A run with many artifacts, and how long its manifest takes over REST and over Connect. Not here: the figures.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { keepAlive } from "./keep-alive.ts";

export interface ManifestLoadOptions {
  /** Of the wide port. */
  readonly port: number;
  readonly key: string;
  readonly artifacts: number;
  readonly times: number;
}

export interface ManifestLoad {
  readonly restMs: readonly number[];
  readonly connectMs: readonly number[];
  readonly restBytes: number;
}

const AT_ONCE = 64;

export async function manifestLoad({ port, key, artifacts, times }: ManifestLoadOptions): Promise<ManifestLoad> {
  const clients = Array.from({ length: AT_ONCE }, () => keepAlive(port, key));
  const [first] = clients;
  if (first === undefined) throw new Error("no client");
  try {
    const made = await first.ask("POST", "/maestro/runs", '{"name":"many","owner":"bench","status":"succeeded"}');
    const { id } = JSON.parse(made.body) as { readonly id: string };
    const flags = { sbom_present: true, slsa_provenance_present: true, risk_assessment_present: true };
    let left = artifacts;
    await Promise.all(
      clients.map(async (client) => {
        while (left-- > 0) {
          const hash = `sha256:${left.toString(16).padStart(64, "0")}`;
          const uri = `s3://releases/many/part-${String(left)}.tgz`;
          const body = { run_id: id, kind: "other", path_or_uri: uri, content_hash: hash, metadata_json: flags };
          const { status } = await client.ask("POST", "/maestro/artifacts", JSON.stringify(body));
          if (status !== 201) throw new Error(`an artifact came to ${String(status)}`);
        }
      }),
    );
    const path = `/maestro/runs/${id}/manifest`;
    let restBytes = 0;
    const restMs = await timed(times, async () => {
      restBytes = (await first.ask("GET", path)).body.length;
    });
    const conductor = createClient(
      ConductorService,
      createConnectTransport({
        baseUrl: `http://127.0.0.1:${String(port)}`,
        httpVersion: "2",
        interceptors: [(next) => (request) => (request.header.set("authorization", `Bearer ${key}`), next(request))],
      }),
    );
    const connectMs = await timed(times, () => conductor.getManifest({ id }));
    return { restMs, connectMs, restBytes };
  } finally {
    for (const client of clients) client.close();
  }
}

async function timed(times: number, work: () => Promise<unknown>): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let i = 0; i < times; i++) {
    const beganMs = performance.now();
    await work();
    taken.push(performance.now() - beganMs);
  }
  return taken;
}
