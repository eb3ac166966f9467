// What is signed of a waiver, and whether an envelope says what its row says. Not here: who may give one, see waiver-grant.ts.
import { canonicalText, sha256Hex } from "../domain/canonical.ts";
import { ID_PREFIX } from "../domain/id.ts";
import { WAIVER_PREDICATE_TYPE } from "../domain/release/pack-files.ts";
import type { SigningKey } from "../domain/signing-key.ts";
import type { Waiver } from "../domain/waiver.ts";
import { IN_TOTO_PAYLOAD_TYPE, readEnvelope, signEnvelope, statementText, verifyEnvelope } from "../support/dsse.ts";
import { typeidOf } from "../support/typeid.ts";

/** All that was said when it was granted; that it was taken back later is told by its row alone. */
export type GrantedWaiver = Omit<Waiver, "envelope" | "revokedMs" | "revokedBy">;

/** The statement: always the same text for the same waiver. Its subject is the run, by the digest of the run's id. */
function statementOf(waiver: GrantedWaiver): string {
  const run = typeidOf(ID_PREFIX.run, waiver.runId);
  const predicate = {
    org_id: typeidOf(ID_PREFIX.org, waiver.orgId),
    waiver_id: typeidOf(ID_PREFIX.waiver, waiver.waiverId),
    run_id: run,
    rule: waiver.rule,
    artifact_id: waiver.artifactId === null ? null : typeidOf(ID_PREFIX.runArtifact, waiver.artifactId),
    reason: waiver.reason,
    granted_by: waiver.grantedBy,
    granted_ms: waiver.grantedMs,
    expires_ms: waiver.expiresMs,
  };
  const text = statementText([{ name: run, digest: { sha256: sha256Hex(run) } }], WAIVER_PREDICATE_TYPE, predicate);
  return canonicalText(JSON.parse(text));
}

export function signedWaiver(waiver: GrantedWaiver, key: Pick<SigningKey, "keyId" | "privatePem">): Waiver {
  const envelope = JSON.stringify(signEnvelope(IN_TOTO_PAYLOAD_TYPE, statementOf(waiver), key));
  return { ...waiver, revokedMs: null, revokedBy: null, envelope };
}

/** Whether one of the keys signed exactly what the row says. */
export function saysTheSame(waiver: Waiver, keys: readonly Pick<SigningKey, "publicPem">[]): boolean {
  const envelope = readEnvelope(waiver.envelope);
  if (envelope === undefined || envelope.payloadType !== IN_TOTO_PAYLOAD_TYPE) return false;
  const verified = verifyEnvelope(envelope, keys);
  return verified !== undefined && verified.payload.toString("utf8") === statementOf(waiver);
}
