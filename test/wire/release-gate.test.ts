// The release gate in its verified mode, on a real server: evidence that is kept here, in a folder and behind HTTP, signed by a
// builder that the charter trusts; forged evidence; and waivers of others. Not here: every rule (test/domain), every place
// (test/neighbours), gate steps (gates.test.ts).
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import type { Client, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { ReleaseGate } from "../../gen/maestro/conductor/v1/release_gate_pb.ts";
import { VerdictState } from "../../gen/maestro/conductor/v1/release_gate_pb.ts";
import { RunStatus } from "../../gen/maestro/conductor/v1/run_pb.ts";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { GateMode } from "../../gen/maestro/v1/charter_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { put } from "../support/artifacts.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { aBuilderKey, BUILDER, cycloneDx, provenanceText, sha256Of } from "../support/gate.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

const key = aBuilderKey();
let folder: string;
let host: Server;
let hostName: string;
/** What the host has at which path. */
const hosted = new Map<string, string>();
let database: TestDatabase;
let server: TestServer;
let local: Transport;

beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  folder = await mkdtemp(join(tmpdir(), "maestro-gate-"));
  host = createServer(({ url = "" }, response) => {
    const content = hosted.get(url);
    if (content === undefined) response.writeHead(404);
    response.end(content);
  });
  await new Promise<void>((done) => host.listen(0, "127.0.0.1", done));
  hostName = `127.0.0.1:${String((host.address() as AddressInfo).port)}`;
  database = await makeDatabase(engine);
  server = await startServer({
    databaseUrl: database.url,
    evidence: { files: [folder], hosts: [hostName], s3: null },
  });
  local = createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` });
  const builders = [{ id: BUILDER, publicKeys: [key.publicPem] }];
  await createClient(MaestroService, local).declareCharter({
    name: "verified",
    terms: { release: { mode: GateMode.VERIFIED, builders } },
  });
});
afterAll(async () => {
  await server.end();
  await database.drop();
  await new Promise((done) => host.close(done));
  await rm(folder, { recursive: true, force: true });
});

const conductor = (transport = local): Client<typeof ConductorService> => createClient(ConductorService, transport);

async function aRun(fields: { readonly charter?: string } = {}): Promise<string> {
  const { run } = await conductor().createRun({
    name: "release",
    owner: "team-a",
    status: RunStatus.SUCCEEDED,
    ...fields,
  });
  return run?.id ?? "";
}

async function attach(runId: string, kind: ArtifactKind, pathOrUri: string, content: string): Promise<string> {
  const contentHash = `sha256:${sha256Of(content)}`;
  const { artifact } = await conductor().createArtifact({ runId, kind, pathOrUri, contentHash });
  return artifact?.id ?? "";
}

/** A run with a bundle behind HTTP, an SBOM kept here, provenance in a file, and a risk assessment kept here. */
async function released(
  provenance = (bundle: string): string => provenanceText(key, { subjects: { bundle: sha256Of(bundle) } }),
) {
  const id = await aRun({ charter: "verified" });
  const bundle = `bundle of ${id}`;
  hosted.set(`/${id}`, bundle);
  await attach(id, ArtifactKind.OTHER, `http://${hostName}/${id}`, bundle);
  const kept = createClient(ArtifactService, local);
  const hashes = [{ alg: "SHA-256", content: sha256Of(bundle) }];
  const component = { type: "application", name: "bundle", version: "1.0.0", hashes };
  const sbom = JSON.stringify(cycloneDx(3, { metadata: { component } }));
  const { uri } = await put(kept, Buffer.from(sbom));
  await attach(id, ArtifactKind.SBOM, uri, sbom);
  const envelope = provenance(bundle);
  await writeFile(join(folder, id), envelope);
  await attach(id, ArtifactKind.SLSA_PROVENANCE, join(folder, id), envelope);
  const risk = "Low: nothing changed but words.";
  await attach(id, ArtifactKind.RISK_ASSESSMENT, (await put(kept, Buffer.from(risk))).uri, risk);
  return id;
}

async function check(id: string, mode: GateMode = GateMode.UNSPECIFIED): Promise<ReleaseGate> {
  const { gate } = await conductor().checkReleaseGate({ id, mode });
  if (gate === undefined) throw new Error("no gate");
  return gate;
}
const failedOf = ({ details }: ReleaseGate): readonly string[] => details?.failedRules ?? [];

/** A transport of somebody else, who has a key of their own. */
async function somebody(principal: string): Promise<Transport> {
  const { secret } = await createClient(IdentityService, local).createApiKey({ principal, grants: ["*"] });
  return createGrpcTransport({
    baseUrl: server.wideUrl,
    interceptors: [(next) => (request) => (request.header.set("authorization", `Bearer ${secret}`), next(request))],
  });
}

test("evidence of every place is fetched, read and verified, and the manifest says the same", async () => {
  const id = await released();
  const gate = await check(id);
  expect(gate.verdicts.filter(({ state }) => state === VerdictState.FAILED)).toEqual([]);
  expect(gate).toMatchObject({
    passed: true,
    mode: GateMode.VERIFIED,
    message: "Release gate passed: 11 rule(s) verified",
  });
  expect(gate.verdicts.find(({ rule }) => rule === "provenance.subject")?.evidence).toMatchObject({ builder: BUILDER });
  const { complianceReport } = await conductor().getManifest({ id });
  expect(complianceReport).toMatchObject({ releaseGatePassed: true, releaseGateMessage: gate.message });
});

test("what changed after it was made known, or is gone, fails the gate from then on", async () => {
  const id = await released();
  hosted.set(`/${id}`, "something else");
  const changed = await check(id);
  expect(failedOf(changed)).toEqual(["content.hash"]);
  expect(changed.message).toMatch(/^Release gate failed: its content has the digest sha256:/);
  await rm(join(folder, id));
  expect(failedOf(await check(id))).toEqual([
    "content.hash",
    "provenance.signature",
    "provenance.builder",
    "provenance.subject",
  ]);
});

test.each<readonly [string, (bundle: string) => string, readonly string[]]>([
  [
    "of a key that nobody trusts",
    (bundle) => provenanceText(aBuilderKey(), { subjects: { bundle: sha256Of(bundle) } }),
    ["provenance.signature", "provenance.builder", "provenance.subject"],
  ],
  [
    "that was altered",
    (bundle) => {
      const envelope = JSON.parse(provenanceText(key, { subjects: { bundle: sha256Of("other") } })) as {
        payload: string;
      };
      const statement = Buffer.from(envelope.payload, "base64").toString().replace(sha256Of("other"), sha256Of(bundle));
      return JSON.stringify({ ...envelope, payload: Buffer.from(statement).toString("base64") });
    },
    ["provenance.signature", "provenance.builder", "provenance.subject"],
  ],
  ["of another bundle", () => provenanceText(key, { subjects: { bundle: sha256Of("other") } }), ["provenance.subject"]],
  [
    "of another builder",
    (bundle) => provenanceText(key, { builder: "https://other.example.test", subjects: { bundle: sha256Of(bundle) } }),
    ["provenance.builder", "provenance.subject"],
  ],
])("provenance %s does not pass", async (_, provenance, rules) => {
  expect(failedOf(await check(await released(provenance)))).toEqual(rules);
});

test("flags prove nothing where evidence is asked for, and a caller may ask as if either were", async () => {
  const id = await aRun();
  const metadataJson = { sbomPresent: true, slsaProvenancePresent: true, riskAssessmentPresent: true };
  await conductor().createArtifact({ runId: id, kind: ArtifactKind.OTHER, pathOrUri: "s3://b/a", metadataJson });
  expect(await check(id)).toMatchObject({ passed: true, mode: GateMode.FLAGS });
  const strict = await check(id, GateMode.VERIFIED);
  expect(strict).toMatchObject({ passed: false, mode: GateMode.VERIFIED });
  expect(failedOf(strict)).toContain("sbom.present");
  expect((await refused(conductor().checkReleaseGate({ id: "run_nobody" }))).refusal.reason).toBe(
    RefusalReason.NOT_FOUND,
  );
});

test("a rule is waived by somebody with a key of their own, not by whoever made the run, until that is taken back", async () => {
  const id = await released(() => provenanceText(key, { subjects: { bundle: sha256Of("other") } }));
  const waiver = {
    runId: id,
    rule: "provenance.subject",
    reason: "Built by hand, once",
    expiresAt: timestampFromMs(Date.now() + 86_400_000),
  };
  const { refusal } = await refused(conductor().grantWaiver(waiver));
  expect(refusal.reason).toBe(RefusalReason.APPROVAL_REQUIRED);
  expect((await check(id)).passed).toBe(false);

  const bob = conductor(await somebody("bob"));
  const granted = (await bob.grantWaiver(waiver)).waiver;
  expect(granted).toMatchObject({ runId: id, rule: "provenance.subject", grantedBy: "bob", revokedBy: "" });
  const gate = await check(id);
  expect(gate).toMatchObject({ passed: true, message: "Release gate passed: 10 rule(s) verified, 1 rule(s) waived" });
  expect(gate.verdicts.find(({ state }) => state === VerdictState.WAIVED)).toMatchObject({
    rule: "provenance.subject",
    waiverId: granted?.id,
  });
  expect((await conductor().listWaivers({ runId: id })).waivers.map((one) => one.id)).toEqual([granted?.id]);

  expect((await bob.revokeWaiver({ id: granted?.id ?? "" })).waiver).toMatchObject({ revokedBy: "bob" });
  expect(failedOf(await check(id))).toEqual(["provenance.subject"]);
  expect((await refused(bob.revokeWaiver({ id: "waiver_nobody" }))).refusal.reason).toBe(RefusalReason.NOT_FOUND);
});
