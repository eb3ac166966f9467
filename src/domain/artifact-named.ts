// Artifacts of this service that an outcome names, and what an outcome comes to that names what cannot be. Not here: outcomes.
import { digestIn, isOwnUri } from "./artifact.ts";
import type { Outcome } from "./outcome.ts";

/** One address of ours in an outcome. */
export interface Named {
  readonly uri: string;
  /** Null when the address is malformed. */
  readonly digest: string | null;
  /** What the outcome says of it; empty and 0 for nothing. */
  readonly saidDigest: string;
  readonly saidBytes: number;
}

const NONE: readonly Named[] = [];
/** Addresses that a message or a detail names, and characters of one: they may be anything up to their bounds. */
const TOLD = 10;
const LONGEST = 128;

/** Addresses within JSON outputs are text like any other: they are not looked for. */
export function artifactsNamed({ artifacts, result }: Outcome): readonly Named[] {
  const output = result.kind === "success" && result.outputs?.kind === "artifact" ? result.outputs.uri : null;
  if (artifacts.length === 0 && output === null) return NONE;
  const said = artifacts.map(({ uri, digest, sizeBytes }) => ({ uri, saidDigest: digest, saidBytes: sizeBytes }));
  if (output !== null) said.push({ uri: output, saidDigest: "", saidBytes: 0 });
  return said.filter(({ uri }) => isOwnUri(uri)).map((one) => ({ ...one, digest: digestIn(one.uri) ?? null }));
}

/**
 * The outcome as it counts: a success that names an artifact which is not there did not make what it says (a failure that may pass
 * when tried again), and one that says of an artifact what is not true contradicts itself (a failure that will not). The lease ends
 * with either; its body digest stays, so that a repeat gets the same answer. Other results count as they are.
 * `sizes` has those that are there.
 */
export function judgeNamed(outcome: Outcome, named: readonly Named[], sizes: ReadonlyMap<string, number>): Outcome {
  if (outcome.result.kind !== "success") return outcome;
  const missing = named
    .filter(({ digest }) => digest === null || !sizes.has(digest))
    .map(({ uri }) => uri.slice(0, LONGEST));
  if (missing.length > 0) {
    const told = missing.slice(0, TOLD);
    const message = `MISSING_PREMISES: the outcome names what this org does not have: ${told.join(", ")}`;
    const details = JSON.stringify({ rule: "artifact.missing", missing: told });
    return { ...outcome, result: { kind: "failure", failure: { errorClass: "TRANSIENT", message, details } } };
  }
  for (const { uri, digest, saidDigest, saidBytes } of named) {
    const bytes = sizes.get(digest ?? "") ?? 0;
    const differs = [
      ...(saidDigest !== "" && saidDigest !== digest ? [[digest, saidDigest]] : []),
      ...(saidBytes !== 0 && saidBytes !== bytes ? [[`${bytes} bytes`, `${saidBytes} bytes`]] : []),
    ];
    const [first] = differs;
    if (first === undefined) continue;
    const [expected, actual] = first;
    const message = `CONTRADICTORY_EVIDENCE: ${uri} has ${expected}, and the outcome says ${actual}`;
    const details = JSON.stringify({ rule: "artifact.contradiction", uri, expected, actual });
    return { ...outcome, result: { kind: "failure", failure: { errorClass: "PERMANENT", message, details } } };
  }
  return outcome;
}
