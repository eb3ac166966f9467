// Waives a rule of the gate for a run, until a time, and signs that. Not here: what it is worth when a gate judges, see release-gate.ts.
import type { Operation } from "../engine/operation.ts";
import type { RunArtifactId, WaiverId } from "../domain/id.ts";
import { decided, invalid, notFound, refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import { canBeWaived, isRule, RULES } from "../domain/release/rules.ts";
import type { Run } from "../domain/run.ts";
import { LONGEST_WAIVER_MS, MOST_STANDING_WAIVERS } from "../domain/waiver.ts";
import type { Waiver } from "../domain/waiver.ts";
import type { Tx } from "../store/ports/store.ts";
import { journaled } from "./done.ts";
import { peopleOf } from "./release-governance.ts";
import type { Looked, RunName } from "./run-name.ts";
import { ensureSigningKey } from "./signing-key.ts";
import { signedWaiver } from "./waiver-statement.ts";

export interface WaiverGrantRequest {
  readonly run: RunName;
  readonly rule: string;
  /** Null for all artifacts of the run. */
  readonly artifact: Looked<RunArtifactId> | null;
  readonly reason: string;
  readonly expiresMs: number;
}

export const waiverGrant: Operation<WaiverGrantRequest, Waiver> = async (tx, request, context) => {
  const { orgId, name: grantedBy } = context.principal;
  const { rule, artifact, reason, expiresMs } = request;
  const waivable = RULES.filter(canBeWaived);
  if (!isRule(rule) || !canBeWaived(rule))
    return invalid({ field: "rule", description: `must be one of ${waivable.join(", ")}`, rule: "waiver.rule" });
  // Locked: what it says of its owner stands until the waiver does.
  const run = request.run.id === null ? undefined : await tx.runs.lock(orgId, request.run.id);
  if (run === undefined) return notFound("run", request.run.text);
  const artifactId = await artifactOf(tx, run, artifact);
  if (!artifactId.ok) return artifactId;
  const grantedMs = await tx.nowMs();
  if (expiresMs <= grantedMs || expiresMs > grantedMs + LONGEST_WAIVER_MS)
    return invalid({
      field: "expires_at",
      description: "must be in the future, and at most 365 days away",
      rule: "waiver.expires",
    });
  if ((await peopleOf(tx, run)).has(grantedBy))
    return refused("APPROVAL_REQUIRED", "Whoever owns, owned or made a run cannot waive what its release asks for.", {
      rule: "waiver.other_principal",
      metadata: { approval_id: "" },
      remedy: "Have somebody else grant it, with a key of their own.",
    });
  // The run is locked: nobody else grants one meanwhile.
  if ((await tx.waivers.standing(orgId, run.runId, grantedMs, MOST_STANDING_WAIVERS)).length === MOST_STANDING_WAIVERS)
    return refused("STATE_CONFLICT", `As many waivers of the run stand as may: ${MOST_STANDING_WAIVERS}.`, {
      rule: "waiver.most",
      metadata: { kind: "run", id: run.runId, state: run.status },
      remedy: "Take back those that are not needed, or grant one for all artifacts.",
    });
  const granted = { orgId, waiverId: context.ids.uuid() as WaiverId, runId: run.runId, rule, reason };
  const waiver = signedWaiver(
    { ...granted, artifactId: artifactId.value, grantedBy, grantedMs, expiresMs },
    await ensureSigningKey(tx, orgId),
  );
  await tx.waivers.add(waiver);
  return journaled(waiver, {
    kind: "conductor.waiver.grant",
    actor: grantedBy,
    body: {
      waiver: waiver.waiverId,
      run: run.runId,
      rule,
      artifact: artifactId.value,
      reason,
      expires_ms: expiresMs,
      envelope: waiver.envelope,
    },
  });
};

/** An artifact of this run; another run's is none that it could name. */
async function artifactOf(
  tx: Tx,
  run: Run,
  asked: Looked<RunArtifactId> | null,
): Promise<Decision<RunArtifactId | null>> {
  if (asked === null) return decided(null);
  const [found] = asked.id === null ? [] : await tx.runArtifacts.find(run.orgId, [asked.id]);
  return found?.runId === run.runId ? decided(found.artifactId) : notFound("artifact", asked.text);
}
