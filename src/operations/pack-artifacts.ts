// The artifacts of an exported pack: a line each, and the content of those that are kept here, within bounds. Not here: what a line says,
// see pack-words.ts.
import { digestIn, isOwnUri } from "../domain/artifact.ts";
import type { KeptArtifact } from "../domain/artifact.ts";
import type { DisclosurePack } from "../domain/disclosure-pack.ts";
import { notFound, RefusedError } from "../domain/refusal.ts";
import { declaredDigest } from "../domain/release/evidence.ts";
import {
  PACK_EVIDENCE_BYTES,
  EVIDENCE_FILE_BYTES,
  EVIDENCE_FILES,
  evidenceFile,
  RELEASED_NAMED,
} from "../domain/release/pack-files.ts";
import type { RunArtifactId } from "../domain/id.ts";
import type { RunArtifact } from "../domain/run-artifact.ts";
import type { Tx } from "../store/ports/store.ts";
import type { Subject } from "../support/dsse.ts";
import type { TarFile } from "../support/tar.ts";
import type { PackSource } from "./pack-source.ts";
import { lines } from "./pack-lines.ts";
import { artifactWords, idWord } from "./pack-words.ts";
import type { EvidencePlace, LeftOut } from "./pack-words.ts";

/** Read at a time. */
const PAGE = 500;
const PART_BYTES = 524_288;

/** `judged` are those that the gate looked at: what it says holds for none besides, such as those of attempts that no longer stand. */
export function artifactsIn(
  source: PackSource,
  { orgId, artifactIds }: DisclosurePack,
  judged: ReadonlySet<RunArtifactId>,
) {
  const evidence = new Map<string, KeptArtifact>();
  const leftOut: Record<LeftOut, number> = { elsewhere: 0, gone: 0, too_large: 0, beyond_bounds: 0 };
  const released: Subject[] = [];
  let bytes = 0;

  async function placeOf(tx: Tx, { uri }: RunArtifact): Promise<EvidencePlace> {
    const digest = isOwnUri(uri) ? digestIn(uri) : undefined;
    if (digest === undefined) return { leftOut: "elsewhere" };
    const place = { file: evidenceFile(digest) };
    if (evidence.has(digest)) return place;
    const kept = await tx.artifacts.find(orgId, digest);
    if (kept === undefined) return { leftOut: "gone" };
    if (kept.sizeBytes > EVIDENCE_FILE_BYTES) return { leftOut: "too_large" };
    if (evidence.size >= EVIDENCE_FILES || bytes + kept.sizeBytes > PACK_EVIDENCE_BYTES)
      return { leftOut: "beyond_bounds" };
    evidence.set(digest, kept);
    bytes += kept.sizeBytes;
    return place;
  }

  async function* listed() {
    for (let at = 0; at < artifactIds.length; at += PAGE) {
      const ids = artifactIds.slice(at, at + PAGE);
      const page = await source.read(async (tx) => {
        const found: { readonly artifact: RunArtifact; readonly place: EvidencePlace }[] = [];
        for (const artifact of await tx.runArtifacts.find(orgId, ids))
          if (artifact !== undefined) found.push({ artifact, place: await placeOf(tx, artifact) });
        return found;
      });
      if (page.length !== ids.length) throw new Error("artifacts of a pack are gone, and they never go");
      for (const { artifact, place } of page) {
        if ("leftOut" in place) leftOut[place.leftOut] += 1;
        const isJudged = judged.has(artifact.artifactId);
        const digest = isJudged && artifact.kind === "OTHER" ? declaredDigest(artifact.contentHash) : undefined;
        if (digest?.ok === true && released.length < RELEASED_NAMED)
          released.push({
            name: idWord("runArtifact", artifact.artifactId),
            digest: { [digest.algorithm]: digest.hex },
          });
        yield artifactWords(artifact, place, isJudged);
      }
    }
  }

  async function* content(kept: KeptArtifact): AsyncGenerator<Uint8Array> {
    const { contentId, chunkBytes, sizeBytes, digest } = kept;
    for (let at = 0; at < sizeBytes;) {
      source.signal.throwIfAborted();
      const place = Math.floor(at / chunkBytes);
      const offset = at - place * chunkBytes;
      const length = Math.min(PART_BYTES, chunkBytes - offset, sizeBytes - at);
      const part = await source.part({ orgId, contentId, place, offset, length });
      // Deleted since it was listed: the archive breaks off, and the next one says that it is gone.
      if (part === undefined) throw new RefusedError(notFound("artifact", digest).refusal);
      yield part;
      at += part.length;
    }
  }

  return {
    files: async function* (): AsyncGenerator<TarFile> {
      yield* lines("artifacts", listed());
      for (const [digest, kept] of evidence)
        yield { name: evidenceFile(digest), size: kept.sizeBytes, chunks: content(kept) };
    },
    /** Once all files were taken. */
    summary: () => ({
      count: artifactIds.length,
      evidence: { files: evidence.size, bytes, left_out: leftOut },
    }),
    /** Those of kind `other` with a full digest that the gate judged: what is to be released. */
    released: (): readonly Subject[] => released,
  };
}
