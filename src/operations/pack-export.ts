// Exports a disclosure pack: one archive that is signed and can be verified without us, made while it is read. What is held at a time is a
// page of the store, a file of lines, or a part of evidence. Not here: the format (docs/packs.md), the words in it (pack-words.ts), and
// the statements about it (pack-statement.ts).
import { createHash } from "node:crypto";
import type { OrgId, PackId, RunArtifactId } from "../domain/id.ts";
import { GATE_ARTIFACTS } from "../domain/release/gate.ts";
import type { Judgement } from "../domain/release/gate.ts";
import { GATE_FILE, KEYS_FILE, MANIFEST_FILE, STATEMENT_FILE, WAIVERS_SHOWN } from "../domain/release/pack-files.ts";
import type { Run } from "../domain/run.ts";
import { decided, notFound } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { Tx } from "../store/ports/store.ts";
import type { Subject } from "../support/dsse.ts";
import { gzip } from "../support/gzip.ts";
import { writeTar } from "../support/tar.ts";
import type { TarFile } from "../support/tar.ts";
import { allPages } from "./all-pages.ts";
import { artifactsIn } from "./pack-artifacts.ts";
import { document, lines } from "./pack-lines.ts";
import { recordsIn } from "./pack-records.ts";
import type { PackMoment, PackSource } from "./pack-source.ts";
import { gateEnvelope, manifestOf, packEnvelope } from "./pack-statement.ts";
import { idWord, keyWords, verdictWords, waiverWords } from "./pack-words.ts";
import type { LoadedGate, ReleaseGate } from "./release-gate.ts";
import type { Looked } from "./run-name.ts";

export interface PackExport {
  readonly fileName: string;
  readonly keyId: string;
  /** The archive, in order. Throws what the source throws. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

export type PackExporter = (source: PackSource, asked: Looked<PackId>) => Promise<Decision<PackExport>>;

export function packExport(gate: ReleaseGate): PackExporter {
  return async (source, { id, text }) => {
    const moment = id === null ? undefined : await source.read((tx) => momentOf(tx, source.orgId, id));
    if (moment === undefined) return notFound("disclosure pack", text);
    return decided({
      fileName: `${idWord("run", moment.run.runId)}.maestro-pack.tar.gz`,
      keyId: moment.key.keyId,
      bytes: gzip(writeTar(archive(source, moment, gate))),
    });
  };
}

async function momentOf(tx: Tx, orgId: OrgId, packId: PackId): Promise<PackMoment | undefined> {
  const pack = await tx.disclosurePacks.find(orgId, packId);
  if (pack === undefined) return undefined;
  const [run] = await tx.runs.find(orgId, [pack.runId]);
  const keys = await allPages(
    (page) => tx.signingKeys.list(orgId, page),
    ({ createdMs, keyId }) => [createdMs, keyId],
  );
  const [key] = keys;
  // Runs are never removed, and whoever makes a pack makes the first key.
  if (run === undefined || key === undefined) throw new Error(`pack ${packId} has lost its run or the keys of its org`);
  const plan = run.planId === null ? undefined : await tx.plans.find(orgId, run.planId);
  return { pack, run, atMs: await tx.nowMs(), keys, key, lastRecord: plan?.recordSeq ?? null };
}

async function* archive(source: PackSource, moment: PackMoment, gate: ReleaseGate): AsyncGenerator<TarFile> {
  const { read, signal } = source;
  const { run, keys, key } = moment;
  // Together, so that a waiver that lifts something is among those that are shown.
  const { loaded, waivers } = await read(async (tx) => ({
    loaded: await gate.load(tx, run),
    waivers: await waiversOf(tx, run),
  }));
  const judgement: Judgement = await gate.judge(loaded, signal);
  const subjects: Subject[] = [];
  const noted = (file: TarFile): TarFile =>
    digested(file, (sha256) => subjects.push({ name: file.name, digest: { sha256 } }));

  yield noted(document(KEYS_FILE, { keys: keys.map(keyWords) }));
  const artifacts = artifactsIn(source, moment.pack, judgedOf(loaded));
  for await (const file of artifacts.files()) yield noted(file);
  const { shown, complete } = waivers;
  for await (const file of lines("waivers", shown.map(waiverWords))) yield noted(file);
  for await (const file of lines("verdicts", wordsOf(judgement))) yield noted(file);
  const records = recordsIn(source, moment);
  for await (const file of records.files()) yield noted(file);
  const manifest = manifestOf(moment, judgement, {
    artifacts: artifacts.summary(),
    waivers: { count: shown.length, complete },
    records: records.summary(),
  });
  yield noted(document(MANIFEST_FILE, manifest));
  const released = artifacts.released();
  const about = subjects.filter(({ name }) => name === MANIFEST_FILE);
  yield noted(document(GATE_FILE, gateEnvelope(moment, judgement, released, about)));
  yield document(STATEMENT_FILE, packEnvelope(moment, subjects, released, key));
}

/** All that stand, which are no more than are shown, and the newest of the others; newest first. */
async function waiversOf(tx: Tx, { orgId, runId }: Run) {
  const standing = await tx.waivers.standing(orgId, runId, await tx.nowMs(), WAIVERS_SHOWN);
  const newest = await tx.waivers.list(orgId, { runId }, { limit: WAIVERS_SHOWN + 1, after: null });
  const ids = new Set(standing.map(({ waiverId }) => waiverId));
  const others = newest.filter(({ waiverId }) => !ids.has(waiverId));
  const shown = [...standing, ...others].slice(0, WAIVERS_SHOWN);
  shown.sort((a, b) => b.grantedMs - a.grantedMs || (a.waiverId < b.waiverId ? 1 : -1));
  return { shown, complete: newest.length <= WAIVERS_SHOWN };
}

/** What the gate's answer is about: with more artifacts than it judges it looks at none. */
function judgedOf({ facts: { artifacts } }: LoadedGate): ReadonlySet<RunArtifactId> {
  return new Set(artifacts.length > GATE_ARTIFACTS ? [] : artifacts.map(({ artifactId }) => artifactId));
}

/** One by one: a run with many artifacts has many verdicts. */
function* wordsOf({ verdicts }: Judgement) {
  for (const verdict of verdicts) yield verdictWords(verdict);
}

/** The same file; its digest is told once its last byte was taken. */
function digested({ name, size, chunks }: TarFile, tell: (sha256: string) => void): TarFile {
  const noting = async function* (): AsyncGenerator<Uint8Array> {
    const sum = createHash("sha256");
    for await (const chunk of chunks) {
      sum.update(chunk);
      yield chunk;
    }
    tell(sum.digest("hex"));
  };
  return { name, size, chunks: noting() };
}
