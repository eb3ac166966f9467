// Every address of the REST surface and the rpc that it stands for; routing and the OpenAPI document are read from here.
// Not here: what an rpc does, see handlers/; how messages look as REST writes them, see shape.ts.
import type { DescField, DescMethod } from "@bufbuild/protobuf";
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";

export type Verb = "GET" | "POST" | "PATCH";
/** `create` and `change` take a body; `act` takes none, and reads one that is there all the same. */
export type EndpointKind = "create" | "change" | "act" | "get" | "list" | "export";

export interface Endpoint {
  readonly verb: Verb;
  /** `{id}` is field `id` of the request. */
  readonly path: string;
  readonly kind: EndpointKind;
  readonly method: DescMethod;
  /** Field of the response that is the answer; empty for the response itself. */
  readonly answer: string;
  /** Heading in the interactive documents. */
  readonly tag: string;
}

const { method } = ConductorService;
const RUNS = "Runs";
const ARTIFACTS = "Artifacts";
const PACKS = "Disclosure Packs";
const WORKFLOWS = "Workflows";
const WAIVERS = "Waivers";

export const ENDPOINTS: readonly Endpoint[] = [
  row("POST", "/maestro/runs", "create", method.createRun, "run", RUNS),
  row("GET", "/maestro/runs", "list", method.listRuns, "runs", RUNS),
  row("GET", "/maestro/runs/{id}", "get", method.getRun, "run", RUNS),
  row("PATCH", "/maestro/runs/{id}", "change", method.updateRun, "run", RUNS),
  row("GET", "/maestro/runs/{id}/manifest", "get", method.getManifest, "", RUNS),
  row("GET", "/maestro/runs/{id}/release-gate", "get", method.checkReleaseGate, "gate", RUNS),
  row("POST", "/maestro/artifacts", "create", method.createArtifact, "artifact", ARTIFACTS),
  row("GET", "/maestro/artifacts", "list", method.listArtifacts, "artifacts", ARTIFACTS),
  row("GET", "/maestro/artifacts/{id}", "get", method.getArtifact, "artifact", ARTIFACTS),
  row("POST", "/maestro/disclosure-packs", "create", method.createDisclosurePack, "disclosure_pack", PACKS),
  row("GET", "/maestro/disclosure-packs", "list", method.listDisclosurePacks, "disclosure_packs", PACKS),
  row("GET", "/maestro/disclosure-packs/{id}", "get", method.getDisclosurePack, "disclosure_pack", PACKS),
  row("GET", "/maestro/disclosure-packs/{id}/export", "export", method.exportDisclosurePack, "", PACKS),
  row("GET", "/maestro/signing-keys", "list", method.listSigningKeys, "signing_keys", PACKS),
  row("POST", "/maestro/workflows", "create", method.createWorkflow, "workflow", WORKFLOWS),
  row("GET", "/maestro/workflows", "list", method.listWorkflows, "workflows", WORKFLOWS),
  row("GET", "/maestro/workflows/{id}", "get", method.getWorkflow, "workflow", WORKFLOWS),
  row("POST", "/maestro/waivers", "create", method.grantWaiver, "waiver", WAIVERS),
  row("GET", "/maestro/waivers", "list", method.listWaivers, "waivers", WAIVERS),
  row("POST", "/maestro/waivers/{id}/revoke", "act", method.revokeWaiver, "waiver", WAIVERS),
];

function row(verb: Verb, path: string, kind: EndpointKind, rpc: DescMethod, answer: string, tag: string): Endpoint {
  return { verb, path, kind, method: rpc, answer, tag };
}

/** What an address is of, such as `disclosure pack`. */
export function nounOf({ tag }: Endpoint): string {
  return tag.toLowerCase().replace(/s$/, "");
}

/** Fields that a reader gives in the query: all but the one in the path, and those of paging, which lists have words of their own for. */
export function queryFields({ method: { input } }: Endpoint): readonly DescField[] {
  return input.fields.filter(({ name }) => !["id", "page_size", "page_token", "idempotency_key"].includes(name));
}

/** Fields of a body: all but the one in the path. */
export function bodyFields({ path, method: { input } }: Endpoint): readonly DescField[] {
  return input.fields.filter(({ name }) => !path.includes(`{${name}}`));
}

/** Fields that hold an id or a key, which is looked up whatever it looks like: one that cannot be one is unknown, not malformed. */
export const ID_FIELDS: ReadonlySet<string> = new Set([
  "id",
  "run_id",
  "artifact_id",
  "artifact_ids",
  "workflow_id",
  "step",
]);

/** Longest list that one answer gives. */
export const LIST_LIMIT = 10_000;
