// What is said of an exported pack as a whole: its manifest, what the gate said of the run as a verification summary, and the statement that
// all its files are subjects of. Not here: the files.
import { isoTime } from "../support/clock.ts";
import { IN_TOTO_PAYLOAD_TYPE, signEnvelope, statementText } from "../support/dsse.ts";
import type { Envelope, Subject } from "../support/dsse.ts";
import type { Judgement } from "../domain/release/gate.ts";
import { PACK_FORMAT, PACK_PREDICATE_TYPE, PACK_VERSION, VSA_PREDICATE_TYPE } from "../domain/release/pack-files.ts";
import type { SigningKey } from "../domain/signing-key.ts";
import type { PackMoment } from "./pack-source.ts";
import { complianceWords, gateWords, idWord, packWords, runWords } from "./pack-words.ts";

/** Of which there is how much; counted while it was written. */
export interface PackCounts {
  readonly artifacts: object;
  readonly waivers: object;
  readonly records: object;
}

export function manifestOf({ pack, run, atMs }: PackMoment, judgement: Judgement, counts: PackCounts): object {
  return {
    format: PACK_FORMAT,
    version: PACK_VERSION,
    exported_at: isoTime(atMs),
    org_id: idWord("org", run.orgId),
    run: runWords(run),
    disclosure_pack: packWords(pack),
    release_gate: gateWords(judgement),
    compliance_report: complianceWords(run, judgement),
    ...counts,
  };
}

/** A verification summary of what is to be released; of the manifest when nothing is that has a digest. */
export function gateEnvelope(
  { run, atMs, key }: PackMoment,
  { passed, mode }: Judgement,
  released: readonly Subject[],
  manifest: readonly Subject[],
): Envelope {
  const text = statementText(released.length > 0 ? released : manifest, VSA_PREDICATE_TYPE, {
    verifier: { id: "max://release-gate" },
    timeVerified: isoTime(atMs),
    resourceUri: `max://run/${idWord("run", run.runId)}`,
    policy: {
      uri: `max://release-gate/${mode.toLowerCase()}`,
      annotations: { charter: run.charter ?? "" },
    },
    inputAttestations: [],
    verificationResult: passed ? "PASSED" : "FAILED",
    verifiedLevels: [passed ? `MAESTRO_GATE_${mode}` : "FAILED"],
    slsaVersion: "1.1",
  });
  return signEnvelope(IN_TOTO_PAYLOAD_TYPE, text, key);
}

export function packEnvelope(
  { pack, run, atMs }: PackMoment,
  subjects: readonly Subject[],
  released: readonly Subject[],
  key: SigningKey,
): Envelope {
  const text = statementText(subjects, PACK_PREDICATE_TYPE, {
    format: PACK_FORMAT,
    version: PACK_VERSION,
    exported_at: isoTime(atMs),
    org_id: idWord("org", run.orgId),
    run_id: idWord("run", run.runId),
    plan_id: run.planId === null ? null : idWord("plan", run.planId),
    pack_id: idWord("pack", pack.packId),
    released,
  });
  return signEnvelope(IN_TOTO_PAYLOAD_TYPE, text, key);
}
