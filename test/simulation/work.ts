// What executors of the simulation make of a step, with or without a stream. Not here: how they tell it (executors.ts, callers.ts).
import { NOTHING } from "../../src/domain/amounts.ts";
import { digestOfText, sha256Hex } from "../../src/domain/canonical.ts";
import { outcomeDigest } from "../../src/domain/outcome.ts";
import type { LeaseRef, Outcome, OutcomeResult } from "../../src/domain/outcome.ts";
import type { Artifact } from "../../src/domain/payload.ts";
import type { Dice } from "../support/random-graph.ts";
import type { Ledger } from "./ledger.ts";

/** A good executor always succeeds. */
export function resultOf(dice: Dice, isGood: boolean): OutcomeResult {
  const chance = dice.fraction();
  if (isGood || chance < 0.74) {
    const outputs = `{"value":${String(dice.below(100))}}`;
    return { kind: "success", outputs: { kind: "json", text: outputs }, outputsDigest: digestOfText(outputs) };
  }
  if (chance < 0.78) return { kind: "returned", message: "not now" };
  if (chance < 0.8) return { kind: "refusal", explanation: "not this", rule: "taste" };
  const errorClass = chance < 0.95 ? "TRANSIENT" : "PERMANENT";
  return { kind: "failure", failure: { errorClass, message: "it broke", details: "" } };
}

/** An outcome that is about to be sent. */
export function outcomeOf(dice: Dice, ledger: Ledger, lease: LeaseRef, result: OutcomeResult): Outcome {
  const usage = { ...NOTHING, tokens: dice.below(30) };
  // Without dice: the same seeds stay what they were.
  const artifacts = ["app.tgz", "sbom.cdx.json"].slice(0, lease.fencing % 3).map((name) => artifactOf(lease, name));
  const parts = { lease, result, usage, artifacts };
  const outcome = { ...parts, bodyDigest: outcomeDigest(parts), logTail: "" };
  ledger.sent(outcome);
  return outcome;
}

function artifactOf({ planId, step }: LeaseRef, name: string): Artifact {
  const uri = `https://example.test/${planId}/${step}/${name}`;
  return { name, uri, digest: `sha256:${sha256Hex(uri)}`, sizeBytes: 1, contentType: "" };
}

/** How long a step takes. */
export function takesMs(dice: Dice, isGood: boolean): number {
  return isGood ? 50 : dice.chance(0.12) ? 2_000 + dice.below(6_000) : 20 + dice.below(1_500);
}
