// Makes artifacts of runs known. Calls go together; each leaves one record. Not here: those that outcomes of steps name.
import type { GroupOperation, GroupedCall } from "../engine/operation.ts";
import type { OrgId, RunArtifactId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import { judgeAddress, judgeKept, keptDigest } from "../domain/run-artifact.ts";
import type { RunArtifact, RunArtifactFlags, RunArtifactKind } from "../domain/run-artifact.ts";
import type { Tx } from "../store/ports/store.ts";
import { journaled } from "./done.ts";
import { findAll } from "./run-name.ts";
import type { RunName } from "./run-name.ts";
import { runArtifactWords } from "./run-record.ts";

export interface RunArtifactCreateRequest {
  readonly run: RunName;
  readonly kind: RunArtifactKind;
  readonly uri: string;
  readonly contentHash: string;
  readonly flags: RunArtifactFlags;
  /** JSON text of an object. */
  readonly additional: string;
}

export const runArtifactCreate: GroupOperation<RunArtifactCreateRequest, RunArtifact> = async (tx, calls) => {
  const [first] = calls;
  if (first === undefined) return [];
  const { orgId } = first.context.principal;
  const runs = await findAll(
    calls.map(({ request }) => request.run),
    (ids) => tx.runs.find(orgId, ids),
  );
  const kept = await keptOf(tx, orgId, calls);
  const createdMs = await tx.nowMs();
  const artifacts: RunArtifact[] = [];
  const decisions = calls.map(({ request, context: { principal, ids } }, i) => {
    const run = runs[i];
    if (run === undefined) return notFound("run", request.run.text);
    const address = judgeAddress(request.uri);
    if (!address.ok) return address;
    const named = keptDigest(request.uri);
    if (!named.ok) return named;
    const judged = named.value === null ? named : judgeKept(named.value, kept.has(named.value), request.contentHash);
    if (!judged.ok) return judged;
    const artifact: RunArtifact = {
      orgId,
      artifactId: ids.uuid() as RunArtifactId,
      runId: run.runId,
      kind: request.kind,
      uri: request.uri,
      contentHash: request.contentHash,
      flags: request.flags,
      additional: request.additional,
      createdMs,
      createdBy: principal.name,
      origin: null,
    };
    artifacts.push(artifact);
    const record = { kind: "conductor.artifact.create", actor: principal.name, body: runArtifactWords(artifact) };
    return journaled(artifact, record);
  });
  await tx.runArtifacts.add(artifacts);
  return decisions;
};

/** Digests of kept content that the calls name, those that are there. */
async function keptOf(
  tx: Tx,
  orgId: OrgId,
  calls: readonly GroupedCall<RunArtifactCreateRequest>[],
): Promise<ReadonlySet<string>> {
  const named = calls.map(({ request }) => keptDigest(request.uri));
  const digests = [...new Set(named.flatMap((one) => (one.ok && one.value !== null ? [one.value] : [])))];
  const found = await Promise.all(digests.map((digest) => tx.artifacts.find(orgId, digest)));
  return new Set(digests.filter((_, i) => found[i] !== undefined));
}
