// Makers of verdicts, and what waivers do to them. Not here: when a rule holds.
import type { RunArtifactId } from "../id.ts";
import type { Waiver } from "../waiver.ts";
import type { Verdict } from "./gate.ts";
import { canBeWaived } from "./rules.ts";
import type { RuleId } from "./rules.ts";

type Evidence = Readonly<Record<string, string>>;
export interface About {
  readonly artifactId?: RunArtifactId;
  readonly evidence?: Evidence;
}

export function passed(rule: RuleId, explanation: string, about: About = {}): Verdict {
  return verdict(rule, "PASSED", explanation, about);
}

export function failed(rule: RuleId, explanation: string, about: About = {}): Verdict {
  return verdict(rule, "FAILED", explanation, about);
}

export function notApplicable(rule: RuleId, explanation: string, about: About = {}): Verdict {
  return verdict(rule, "NOT_APPLICABLE", explanation, about);
}

function verdict(
  rule: RuleId,
  state: Verdict["state"],
  explanation: string,
  { artifactId, evidence = {} }: About,
): Verdict {
  return { rule, state, explanation, artifactId: artifactId ?? null, waiverId: null, evidence };
}

/** Verdicts with those lifted that somebody waived: for this artifact, or for all. */
export function withWaivers(verdicts: readonly Verdict[], waivers: readonly Waiver[]): readonly Verdict[] {
  if (waivers.length === 0) return verdicts;
  return verdicts.map((one) => {
    if (one.state !== "FAILED" || !canBeWaived(one.rule)) return one;
    const waiver = waivers.find(
      ({ rule, artifactId }) => rule === one.rule && (artifactId === null || artifactId === one.artifactId),
    );
    return waiver === undefined ? one : { ...one, state: "WAIVED" as const, waiverId: waiver.waiverId };
  });
}
