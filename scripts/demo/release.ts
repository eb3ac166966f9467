// The demo's release: what the gate says before all evidence is there, afterwards, and of a tarball that somebody tampered with; and
// the disclosure pack, checked without the server. Not here: the gate step of the plan, see examples/release.yaml.
import { createHash } from "node:crypto";
import { appendFileSync, copyFileSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { VerdictState, VerdictStateSchema } from "../../gen/maestro/conductor/v1/release_gate_pb.ts";
import { RunStatus } from "../../gen/maestro/conductor/v1/run_pb.ts";
import type { ServerClient } from "../../src/cli/client.ts";
import { upload } from "../../src/cli/upload.ts";
import { word } from "../../src/cli/words.ts";
import { Child } from "./child.ts";
import type { Judged, Released } from "./promises.ts";

export interface ReleaseParts {
  readonly root: string;
  readonly planId: string;
  readonly wideUrl: string;
  /** What the demo leaves, and what it needs meanwhile. */
  readonly out: string;
  readonly data: string;
}

/** What a gate in the plan would say now. */
export async function judgedNow(client: ServerClient, id: string): Promise<Judged> {
  const { gate } = await client.conductor.checkReleaseGate({ id });
  if (gate === undefined) throw new Error("the server shows no gate");
  return {
    passed: gate.passed,
    message: gate.message,
    failed_rules: gate.details?.failedRules ?? [],
    verdicts: gate.verdicts
      .filter(({ state }) => state !== VerdictState.NOT_APPLICABLE)
      .map(({ rule, state }) => `${rule} ${word(VerdictStateSchema, state)}`),
  };
}

export async function release(
  client: ServerClient,
  before: Judged,
  parts: ReleaseParts,
  say: (text: string) => void,
): Promise<Released> {
  const { planId, root, wideUrl } = parts;
  say(`the gate before all evidence was there: ${before.message}`);
  const after = await judgedNow(client, planId);
  const shown = new Child(root, ["--server", wideUrl, "gate", planId], "inherit");
  await shown.exited;
  const tampered = await judgedNow(client, await tamperedRun(client, parts));
  say(`the gate of a run with the same evidence and a tarball that was tampered with: ${tampered.message}`);
  return { before, after, tampered, pack: await disclosed(client, parts, say) };
}

/** Work done elsewhere, as somebody would tell of it who has the evidence but built something else. */
async function tamperedRun(client: ServerClient, { planId, out, data }: ReleaseParts): Promise<string> {
  const { artifacts } = await client.conductor.getManifest({ id: planId });
  const { run } = await client.conductor.createRun({
    name: "tampered",
    owner: "mallory",
    status: RunStatus.SUCCEEDED,
    charter: "release",
    idempotencyKey: client.newKey(),
  });
  const runId = run?.id ?? "";
  for (const { kind, pathOrUri, contentHash, metadataJson } of artifacts) {
    if (kind === ArtifactKind.OTHER) continue;
    const copy = { runId, kind, pathOrUri, contentHash, idempotencyKey: client.newKey() };
    await client.conductor.createArtifact({ ...copy, ...(metadataJson !== undefined && { metadataJson }) });
  }
  const file = join(data, "tampered.tgz");
  copyFileSync(join(out, fileLike(out, /\.tgz$/)), file);
  appendFileSync(file, "tampered");
  const about = { name: "tampered.tgz", contentType: "application/gzip" };
  const { uri, digest } = await upload(client, file, about, new AbortController().signal);
  const known = { runId, kind: ArtifactKind.OTHER, pathOrUri: uri, contentHash: digest };
  await client.conductor.createArtifact({ ...known, idempotencyKey: client.newKey() });
  return runId;
}

/** Made and exported while the server is there, and checked by a command that asks no server. */
async function disclosed(
  client: ServerClient,
  { planId, root, wideUrl, out }: ReleaseParts,
  say: (text: string) => void,
): Promise<Released["pack"]> {
  const { artifacts } = await client.conductor.getManifest({ id: planId });
  const { disclosurePack } = await client.conductor.createDisclosurePack({
    runId: planId,
    summary: "This project's tarball, with what is in it, how it was built, and what was checked.",
    artifactIds: artifacts.map(({ id }) => id),
    idempotencyKey: client.newKey(),
  });
  const { signingKeys } = await client.conductor.listSigningKeys({});
  const id = disclosurePack?.id ?? "";
  const keyId = signingKeys[0]?.keyId ?? "";
  const file = "release.maestro-pack.tar.gz";
  const path = join(out, file);
  const exported = new Child(root, ["--server", wideUrl, "packs", "export", id, "--output", path]);
  if ((await exported.exited) !== 0) throw new Error(`the pack was not exported: ${exported.lastLines.join(" ")}`);
  say(`disclosure pack ${id}: demo-out/${file}`);
  const verified = new Child(root, ["packs", "verify", path, "--key-id", keyId], "inherit");
  const verifyExit = await verified.exited;
  const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
  return { id, file, sha256, key_id: keyId, verified: verifyExit === 0 };
}

function fileLike(folder: string, pattern: RegExp): string {
  const name = readdirSync(folder).find((one) => pattern.test(one));
  if (name === undefined) throw new Error(`there is nothing like ${String(pattern)}`);
  return name;
}
