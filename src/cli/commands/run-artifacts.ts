// `maestro artifacts`: lists and shows what runs made and what speaks for them, and makes more of it known. Not here: putting
// files where Maestro keeps them, see ../upload.ts.
import { statSync } from "node:fs";
import { basename } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { ArtifactKind, ArtifactKindSchema, ArtifactSchema } from "../../../gen/maestro/conductor/v1/artifact_pb.ts";
import type { Artifact, ArtifactMetadata } from "../../../gen/maestro/conductor/v1/artifact_pb.ts";
import type { ServerClient } from "../client.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { pairOf } from "../flags.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { facts, harmless } from "../table.ts";
import { runIdOf } from "../target.ts";
import { upload } from "../upload.ts";
import { timeText, valueOf, word } from "../words.ts";

export interface ArtifactsFlags extends ListFlags {
  readonly run?: string;
  readonly kind?: string;
}

export interface AddFlags {
  readonly kind: string;
  readonly hash?: string;
  readonly contentType: string;
  readonly sbom?: boolean;
  readonly slsa?: boolean;
  readonly risk?: boolean;
  readonly metadata: readonly string[];
}

export async function artifacts({ run, kind = "", ...flags }: ArtifactsFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  await withClient(async (client) => {
    const runId = run === undefined ? "" : await runIdOf(client, run, io.signal);
    await showList(
      {
        schema: ArtifactSchema,
        page: async (pageSize, pageToken) => {
          const asked = { runId, kind: valueOf(ArtifactKindSchema, kind) ?? 0, pageSize, pageToken };
          const page = await client.conductor.listArtifacts(asked, { signal: io.signal });
          return { items: page.artifacts, nextPageToken: page.nextPageToken };
        },
        head: ["ARTIFACT", "RUN", "KIND", "FLAGS", "STEP", "MADE", "WHERE"],
        row: (one) => [
          one.id,
          one.runId,
          word(ArtifactKindSchema, one.kind),
          flagsText(one.metadataJson),
          one.step,
          timeText(one.createdAt),
          one.pathOrUri,
        ],
        none: "no artifacts",
      },
      flags,
      context,
    );
  });
}

export async function showArtifact(id: string, { io, json, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const { artifact } = await client.conductor.getArtifact({ id }, { signal: io.signal });
    if (artifact === undefined) throw new Error("the server shows no artifact");
    io.out(json ? jsonLine(ArtifactSchema, artifact) : `${artifactText(artifact)}\n`);
  });
}

/** Makes a file or an address known as an artifact; prints its id alone. */
export async function addArtifact(named: string, what: string, flags: AddFlags, context: Context): Promise<void> {
  const { io, json, quiet, notice, withClient } = context;
  const kind = valueOf(ArtifactKindSchema, flags.kind) ?? 0;
  const own = Object.fromEntries(flags.metadata.map((one) => pairOf("--metadata", one)));
  const isFile = !isAddress(what);
  if (isFile) mustBeFile(what);
  await withClient(async (client) => {
    const runId = await runIdOf(client, named, io.signal);
    const content = isFile ? await put(client, what, flags, io.signal) : elsewhere(what);
    const { artifact } = await client.conductor.createArtifact(
      {
        runId,
        kind,
        pathOrUri: content.pathOrUri,
        contentHash: flags.hash ?? content.digest,
        metadataJson: { ...presentIn(kind, flags), additionalMetadata: { ...content.about, ...own } },
        idempotencyKey: client.newKey(),
      },
      { signal: io.signal },
    );
    if (artifact === undefined) throw new Error("the server does not say what became of the artifact");
    if (content.about["size_bytes"] === 0) notice(harmless(`${what} is empty: it speaks for nothing`));
    if (json) return io.out(jsonLine(ArtifactSchema, artifact));
    const word_ = word(ArtifactKindSchema, artifact.kind);
    if (!quiet) notice(harmless(`made ${what} known as ${word_} of ${artifact.runId}: ${artifact.pathOrUri}`));
    io.out(`${artifact.id}\n`);
  });
}

interface Content {
  readonly pathOrUri: string;
  readonly digest: string;
  readonly about: JsonObject;
}

function elsewhere(pathOrUri: string): Content {
  return { pathOrUri, about: {}, digest: "" };
}

async function put(client: ServerClient, file: string, flags: AddFlags, signal: AbortSignal): Promise<Content> {
  const name = basename(file);
  const stored = await upload(client, file, { name, contentType: flags.contentType }, signal);
  const about = { name, content_type: stored.contentType, size_bytes: Number(stored.sizeBytes) };
  return { pathOrUri: stored.uri, digest: stored.digest, about };
}

/** What is a bill of materials comes with one; so with the others. */
function presentIn(kind: ArtifactKind, { sbom = false, slsa = false, risk = false }: AddFlags) {
  return {
    sbomPresent: sbom || kind === ArtifactKind.SBOM,
    slsaProvenancePresent: slsa || kind === ArtifactKind.SLSA_PROVENANCE,
    riskAssessmentPresent: risk || kind === ArtifactKind.RISK_ASSESSMENT,
  };
}

/** A drive's letter is no scheme. */
function isAddress(what: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]+:\/\//.test(what);
}

function mustBeFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true) return;
  throw new CommandEnd(
    MISUSED,
    harmless(`${path} is no file, and no address, which would begin like s3:// or https://`),
  );
}

function flagsText(about: ArtifactMetadata | undefined): string {
  const flags = [
    ...(about?.sbomPresent === true ? ["sbom"] : []),
    ...(about?.slsaProvenancePresent === true ? ["slsa"] : []),
    ...(about?.riskAssessmentPresent === true ? ["risk"] : []),
  ];
  return flags.join(" ");
}

function artifactText(artifact: Artifact): string {
  const additional = JSON.stringify(artifact.metadataJson?.additionalMetadata ?? {});
  return facts([
    ["artifact", artifact.id],
    ["run", artifact.runId],
    ["kind", word(ArtifactKindSchema, artifact.kind)],
    ["where", artifact.pathOrUri],
    ["digest", artifact.contentHash],
    ["flags", flagsText(artifact.metadataJson)],
    ["step", artifact.step],
    ["made known", timeText(artifact.createdAt)],
    ["by", artifact.createdBy],
    ["more", additional === "{}" ? "" : additional],
  ]);
}
