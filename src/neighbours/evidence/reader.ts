// Reads the evidence of a run: fetched from wherever it is, in bounded numbers at a time, and examined in threads. Not here: the
// places (own.ts, file.ts, http.ts, s3.ts), and what is looked for (examine.ts).
import type { TrustedBuilder } from "../../domain/charter.ts";
import type { OrgId, RunArtifactId } from "../../domain/id.ts";
import { declaredDigest } from "../../domain/release/evidence.ts";
import type { EvidenceProblem, Finding } from "../../domain/release/evidence.ts";
import type { JudgedArtifact } from "../../domain/release/gate.ts";
import { isEvidence } from "../../domain/release/verified.ts";
import type { Clock } from "../../support/clock.ts";
import {
  workerPool,
  WorkerPoolClosedError,
  WorkerPoolFullError,
  WorkerTaskTooLongError,
} from "../../support/worker-pool.ts";
import type { EvidenceBytes, Examined, ExaminedBytes } from "./examine.ts";
import { concatenated, createHashing } from "./hashing.ts";
import { lateAfter } from "./late.ts";
import type { Late } from "./late.ts";
import * as usual from "./limits.ts";
import { FetchError } from "./port.ts";
import type { EvidenceReader, EvidenceSource } from "./port.ts";
import { NoTimeError, runTime } from "./run-time.ts";
import type { RunTime } from "./run-time.ts";
import { createTurns } from "./turns.ts";

export interface ReaderOptions {
  readonly sources: readonly EvidenceSource[];
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Threads that examine at once. */
  readonly threads?: number;
  /** What broke a thread, or the reading of something: it may be hostile content, or a bug of ours. */
  readonly onTrouble?: (trouble: unknown) => void;
  /** Where a test has others than the usual. */
  readonly limits?: Partial<Limits>;
}
type Limits = Readonly<
  Record<
    | "EVIDENCE_BYTES"
    | "CONTENT_BYTES"
    | "TOTAL_BYTES"
    | "SUBJECTS_KEPT"
    | "ARTIFACTS_READ"
    | "ARTIFACT_MS"
    | "PARSE_MS"
    | "RUN_MS",
    number
  >
>;

/** What one run may still have. */
interface Allowance {
  bytes: number;
  subjects: number;
}
const TOO_MANY_BYTES = "all artifacts of the run have more bytes than are read";

export function createEvidenceReader({
  sources,
  clock,
  threads = 1,
  onTrouble = () => undefined,
  limits: given = {},
}: ReaderOptions): EvidenceReader {
  const limits: Limits = { ...usual, ...given };
  const pool = workerPool(new URL(import.meta.url.replace(/reader(?=\.[jt]s$)/, "evidence-worker")), {
    size: threads,
    queueLimit: usual.AT_ONCE * usual.RUNS_AT_ONCE.all,
    taskMs: limits.PARSE_MS,
    resourceLimits: usual.THREAD_MEMORY,
  });
  const hashing = createHashing();
  const turns = createTurns(usual.RUNS_AT_ONCE, usual.RUNS_WAITING);

  async function* fetched(orgId: OrgId, uri: string, most: number, allowance: Allowance, signal: AbortSignal) {
    const source = sources.find((one) => one.takes(uri));
    if (source === undefined) throw new FetchError("NO_SOURCE", "this server fetches nothing from such an address");
    signal.throwIfAborted();
    let bytes = 0;
    for await (const piece of source.fetch(orgId, uri, signal)) {
      signal.throwIfAborted();
      bytes += piece.length;
      allowance.bytes -= piece.length;
      if (bytes > most) throw new FetchError("TOO_LARGE", `it has more than ${most} bytes`);
      if (allowance.bytes < 0) throw new FetchError("TOO_LARGE", TOO_MANY_BYTES);
      yield piece;
    }
  }

  const examine = async (
    artifact: JudgedArtifact,
    pieces: AsyncIterable<Uint8Array>,
    builders: readonly TrustedBuilder[],
    allowance: Allowance,
    late: Late,
    time: RunTime,
  ): Promise<Examined> => {
    const bytes = await joined(pieces);
    // From here on time is the thread's.
    late.hold();
    const order: EvidenceBytes = { kind: artifact.kind, bytes, algorithms: algorithmsOf(artifact), builders };
    const packedBytes = bytes.length;
    let examined: ExaminedBytes;
    try {
      examined = await time.inThread<ExaminedBytes>(pool, "examine", order, late.signal, [bytes.buffer]);
    } catch (trouble) {
      // A server that goes down, or has no time, says nothing of evidence.
      if (late.signal.aborted || trouble instanceof WorkerPoolClosedError || isBusy(trouble)) throw trouble;
      if (trouble instanceof WorkerTaskTooLongError)
        throw new FetchError("TOO_LATE", `reading it takes longer than ${limits.PARSE_MS} ms`);
      onTrouble(trouble);
      throw new FetchError("UNREADABLE", "reading it takes more than it may, or nobody knows how");
    }
    const { found, plainBytes } = examined;
    allowance.bytes -= Math.max(0, plainBytes - packedBytes);
    if (allowance.bytes < 0) throw new FetchError("TOO_LARGE", TOO_MANY_BYTES);
    allowance.subjects -= subjectsOf(found);
    if (allowance.subjects < 0)
      throw new FetchError("TOO_LARGE", `all evidence of the run has more than ${limits.SUBJECTS_KEPT} subjects`);
    return found;
  };

  const readOne = async (
    orgId: OrgId,
    artifact: JudgedArtifact,
    builders: readonly TrustedBuilder[],
    allowance: Allowance,
    time: RunTime,
  ): Promise<Finding> => {
    const { artifactId, uri } = artifact;
    const late = lateAfter(limits.ARTIFACT_MS, time.signal, clock);
    try {
      if (isEvidence(artifact)) {
        const pieces = fetched(orgId, uri, limits.EVIDENCE_BYTES, allowance, late.signal);
        return { artifactId, ...(await examine(artifact, pieces, builders, allowance, late, time)) };
      }
      const pieces = fetched(orgId, uri, limits.CONTENT_BYTES, allowance, late.signal);
      const digested = await hashing.digested(pieces, algorithmsOf(artifact), late, time);
      return { artifactId, content: { state: "READ", ...digested }, sbom: null, provenance: null, blank: false };
    } catch (trouble) {
      if (trouble instanceof FetchError) return missing(artifactId, trouble.problem, trouble.message);
      if (late.isLate() && !time.signal.aborted)
        return missing(artifactId, "TOO_LATE", `it takes longer than ${limits.ARTIFACT_MS} ms to come`);
      throw trouble;
    } finally {
      late.end();
    }
  };

  const readAll = async (
    orgId: OrgId,
    artifacts: readonly JudgedArtifact[],
    builders: readonly TrustedBuilder[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<RunArtifactId, Finding>> => {
    const findings = new Map<RunArtifactId, Finding>();
    const time = runTime(orgId, limits.RUN_MS, signal, clock);
    // Evidence goes first: without it nothing passes.
    const queue = sameReading([...artifacts.filter(isEvidence), ...artifacts.filter((one) => !isEvidence(one))]);
    const allowance: Allowance = { bytes: limits.TOTAL_BYTES, subjects: limits.SUBJECTS_KEPT };
    let at = 0;
    const readNext = async (artifact: JudgedArtifact): Promise<Finding> => {
      if (at > limits.ARTIFACTS_READ)
        return missing(artifact.artifactId, "NOT_READ", `no more than ${limits.ARTIFACTS_READ} are read`);
      try {
        return await readOne(orgId, artifact, builders, allowance, time);
      } catch (trouble) {
        if (signal.aborted || !time.isLate()) throw trouble;
        return missing(artifact.artifactId, "TOO_LATE", `the run took longer than ${limits.RUN_MS} ms`);
      }
    };
    const work = async (): Promise<void> => {
      for (let same = queue[at++]; same !== undefined; same = queue[at++]) {
        const finding = await readNext(same[0]);
        for (const { artifactId } of same) findings.set(artifactId, { ...finding, artifactId });
      }
    };
    const worked = async (): Promise<void> => {
      try {
        await work();
      } catch (trouble) {
        // The others end before the turn does.
        time.stop(trouble);
        throw trouble;
      }
    };
    try {
      const lanes = await Promise.allSettled(Array.from({ length: usual.AT_ONCE }, worked));
      signal.throwIfAborted();
      const troubles = lanes.flatMap((lane) => (lane.status === "rejected" ? [lane.reason as unknown] : []));
      // That there was no time is why the others were called off.
      if (troubles.length > 0) throw troubles.find(isBusy) ?? troubles[0];
      return findings;
    } finally {
      time.end();
    }
  };

  return {
    read: async (orgId, artifacts, builders, signal) => {
      const turn = await turns.take(orgId, signal);
      if (turn === undefined) return "BUSY";
      try {
        return await readAll(orgId, artifacts, builders, signal);
      } catch (trouble) {
        if (isBusy(trouble)) return "BUSY";
        throw trouble;
      } finally {
        turn();
      }
    },
    close: async () => {
      await Promise.all([pool.close(), hashing.close()]);
    },
  };
}

function isBusy(trouble: unknown): boolean {
  return trouble instanceof NoTimeError || trouble instanceof WorkerPoolFullError;
}

async function joined(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const list: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    list.push(piece);
    length += piece.length;
  }
  return concatenated(list, length);
}

/** Those together that one reading is enough for: a thousand names of one upload are one upload. */
function sameReading(
  artifacts: readonly JudgedArtifact[],
): readonly (readonly [JudgedArtifact, ...JudgedArtifact[]])[] {
  const readings = new Map<string, [JudgedArtifact, ...JudgedArtifact[]]>();
  for (const artifact of artifacts) {
    const key = `${isEvidence(artifact) ? artifact.kind : ""} ${algorithmsOf(artifact).join()} ${artifact.uri}`;
    const same = readings.get(key);
    if (same === undefined) readings.set(key, [artifact]);
    else same.push(artifact);
  }
  return [...readings.values()];
}

/** What is kept of it until the judgement is made. */
function subjectsOf({ sbom, provenance }: Examined): number {
  if (sbom?.state === "VALID") return sbom.subjects.length;
  if (provenance?.state !== "READ") return 0;
  return provenance.envelopes.reduce((sum, { subjects }) => sum + 1 + subjects.length, 0);
}

/** The declared one, and those that others may name instead. */
function algorithmsOf({ contentHash, kind }: JudgedArtifact): readonly string[] {
  const declared = declaredDigest(contentHash);
  return [
    ...new Set(["sha256", ...(kind === "OTHER" ? ["sha512"] : []), ...(declared.ok ? [declared.algorithm] : [])]),
  ];
}

function missing(artifactId: RunArtifactId, problem: EvidenceProblem, explanation: string): Finding {
  return {
    artifactId,
    content: { state: "MISSING", problem, explanation },
    sbom: null,
    provenance: null,
    blank: false,
  };
}
