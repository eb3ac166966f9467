// `maestro packs`: lists, shows and makes disclosure packs, and writes their archives. Not here: verifying an archive, see
// pack-verify.ts.
import { createHash } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { basename } from "node:path";
import { DisclosurePackSchema } from "../../../gen/maestro/conductor/v1/disclosure_pack_pb.ts";
import type { DisclosurePack } from "../../../gen/maestro/conductor/v1/disclosure_pack_pb.ts";
import { SigningKeySchema } from "../../../gen/maestro/conductor/v1/signing_key_pb.ts";
import { counted } from "../../support/counted.ts";
import type { ServerClient } from "../client.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { facts, harmless } from "../table.ts";
import { runIdOf } from "../target.ts";
import { timeText } from "../words.ts";

export interface PacksFlags extends ListFlags {
  readonly run?: string;
}

export interface CreatePackFlags {
  readonly summary: string;
  readonly artifact: readonly string[];
  readonly redact: readonly string[];
}

export interface ExportFlags {
  readonly output?: string;
}

export async function packs({ run, ...flags }: PacksFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  await withClient(async (client) => {
    const runId = run === undefined ? "" : await runIdOf(client, run, io.signal);
    await showList(
      {
        schema: DisclosurePackSchema,
        page: async (pageSize, pageToken) => {
          const page = await client.conductor.listDisclosurePacks(
            { runId, pageSize, pageToken },
            { signal: io.signal },
          );
          return { items: page.disclosurePacks, nextPageToken: page.nextPageToken };
        },
        head: ["PACK", "RUN", "ARTIFACTS", "MADE", "BY", "SUMMARY"],
        row: (pack) => [
          pack.id,
          pack.runId,
          String(pack.artifactIds.length),
          timeText(pack.createdAt),
          pack.createdBy,
          pack.summary,
        ],
        none: "no disclosure packs",
      },
      flags,
      context,
    );
  });
}

/** Whoever verifies must know them, on a way that they trust. */
export async function signingKeys(flags: ListFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  await withClient(async (client) =>
    showList(
      {
        schema: SigningKeySchema,
        page: async (pageSize, pageToken) => {
          const page = await client.conductor.listSigningKeys({ pageSize, pageToken }, { signal: io.signal });
          return { items: page.signingKeys, nextPageToken: page.nextPageToken };
        },
        head: ["KEY", "MADE"],
        row: ({ keyId, createdAt }) => [keyId, timeText(createdAt)],
        none: "no signing keys; the first pack or waiver makes one",
      },
      flags,
      context,
    ),
  );
}

export async function showPack(id: string, { io, json, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const { disclosurePack } = await client.conductor.getDisclosurePack({ id }, { signal: io.signal });
    const pack = told(disclosurePack);
    if (json) return io.out(jsonLine(DisclosurePackSchema, pack));
    const text = facts([
      ["pack", pack.id],
      ["run", pack.runId],
      ["summary", pack.summary],
      ["made", timeText(pack.createdAt)],
      ["by", pack.createdBy],
      ["withheld", pack.redactions.join(", ")],
      ["artifacts", String(pack.artifactIds.length)],
    ]);
    io.out(`${[text, ...pack.artifactIds].join("\n")}\n`);
  });
}

/** Of the artifacts that are named, or of all that count; prints its id alone. */
export async function createPack(named: string, flags: CreatePackFlags, context: Context): Promise<void> {
  const { io, json, quiet, notice, withClient } = context;
  const { summary, artifact, redact } = flags;
  await withClient(async (client) => {
    const runId = await runIdOf(client, named, io.signal);
    const artifactIds = artifact.length > 0 ? [...artifact] : await standing(client, runId, io.signal);
    const request = { runId, summary, artifactIds, redactions: [...redact], idempotencyKey: client.newKey() };
    const { disclosurePack } = await client.conductor.createDisclosurePack(request, { signal: io.signal });
    const pack = told(disclosurePack);
    if (json) return io.out(jsonLine(DisclosurePackSchema, pack));
    if (!quiet) notice(harmless(`made a pack of ${counted(pack.artifactIds.length, "artifact")} of ${pack.runId}`));
    io.out(`${pack.id}\n`);
  });
}

async function standing(client: ServerClient, id: string, signal: AbortSignal): Promise<string[]> {
  const { artifacts } = await client.conductor.getManifest({ id }, { signal });
  return artifacts.map((one) => one.id);
}

/** Writes the archive; one that breaks off leaves nothing behind. */
export async function exportPack(id: string, { output }: ExportFlags, context: Context): Promise<void> {
  const { io, json, quiet, withClient } = context;
  await withClient(async (client) => {
    let archive = { fileName: "", contentType: "", keyId: "" };
    const hash = createHash("sha256");
    let sizeBytes = 0;
    const answers = client.conductor.exportDisclosurePack({ id }, { signal: io.signal });
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      for await (const { part } of answers) {
        if (part.case === "archive") archive = part.value;
        else if (part.case === "data") {
          hash.update(part.value);
          sizeBytes += part.value.length;
          yield part.value;
        }
      }
    };
    // The server names the file; where it goes is not for it to say.
    const file = await written(() => output ?? (basename(archive.fileName) || `${id}.tar.gz`), bytes());
    const digest = `sha256:${hash.digest("hex")}`;
    const { keyId } = archive;
    if (json) io.out(`${JSON.stringify({ file, size_bytes: sizeBytes, digest, key_id: keyId })}\n`);
    else if (!quiet)
      io.out([`wrote ${file}: ${sizeBytes} bytes, ${digest}`, `signed with ${keyId}`, ""].map(harmless).join("\n"));
  });
}

/** The name is known once the first bytes have come. */
async function written(nameOf: () => string, bytes: AsyncIterable<Uint8Array>): Promise<string> {
  let part: string | undefined;
  let name = "";
  let handle: Awaited<ReturnType<typeof open>> | undefined;
  try {
    for await (const some of bytes) {
      if (handle === undefined) {
        name = nameOf();
        handle = await open(`${name}.part`, "w");
        part = `${name}.part`;
      }
      await handle.writeFile(some);
    }
    if (handle === undefined || part === undefined) throw new Error("the server sent an empty archive");
    await handle.close();
    await rename(part, name);
    return name;
  } catch (error) {
    await handle?.close().catch(() => undefined);
    if (part !== undefined) await rm(part, { force: true });
    throw error;
  }
}

function told(pack: DisclosurePack | undefined): DisclosurePack {
  if (pack === undefined) throw new Error("the server shows no disclosure pack");
  return pack;
}
