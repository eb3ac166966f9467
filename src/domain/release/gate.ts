// What the release gate asks and answers: facts in, verdicts out. Not here: the rules, see flags.ts and verified.ts.
import type { Amounts } from "../amounts.ts";
import type { Approval } from "../approval.ts";
import type { GateMode, ReleasePolicy } from "../charter.ts";
import type { RunArtifactId, RunId, WaiverId } from "../id.ts";
import type { RunArtifact } from "../run-artifact.ts";
import type { Run, RunStatus } from "../run.ts";
import type { StepState } from "../step.ts";
import type { Waiver } from "../waiver.ts";
import type { Digests, Finding } from "./evidence.ts";
import type { RuleId } from "./rules.ts";

export type VerdictState = "PASSED" | "FAILED" | "WAIVED" | "NOT_APPLICABLE";

/** What one rule says of the run, or of one artifact of it. */
export interface Verdict {
  readonly rule: RuleId;
  readonly state: VerdictState;
  /** For people; one sentence without its full stop. */
  readonly explanation: string;
  readonly artifactId: RunArtifactId | null;
  /** The waiver that lifts it. */
  readonly waiverId: WaiverId | null;
  /** What it rests on, by name. */
  readonly evidence: Readonly<Record<string, string>>;
}

/** Numbers behind the message. */
export interface GateDetails {
  readonly totalArtifacts: number;
  /** Those with all three flags, in both modes. */
  readonly compliantArtifacts: number;
  /** The first `COMPLIANT_IDS` of them. */
  readonly compliantArtifactIds: readonly RunArtifactId[];
  /** Where the run stands and should stand, when that is what is wrong. */
  readonly currentStatus: RunStatus | null;
  readonly requiredStatus: RunStatus | null;
  /** Each once, in the order of the rules. */
  readonly failedRules: readonly RuleId[];
}
export const COMPLIANT_IDS = 1_000;

export interface Judgement {
  readonly runId: RunId;
  readonly passed: boolean;
  readonly message: string;
  readonly details: GateDetails;
  readonly mode: GateMode;
  readonly verdicts: readonly Verdict[];
}

/** A step that a gate step waits for, directly or not. */
export interface StepBefore {
  readonly key: string;
  readonly state: StepState;
}

/** What is judged: the run as it ended, or, for a gate step of its plan, what that step depends on. */
export type GateScope = { readonly kind: "RUN" } | { readonly kind: "STEP"; readonly before: readonly StepBefore[] };

/** How a plan was governed; of a gate step only as far as it depends on it. */
export interface Governance {
  /** Approvals of what is performed now: the active version's commit, and current steps. Withdrawn ones are left out. */
  readonly approvals: readonly Pick<Approval, "subject" | "step" | "state" | "decidedBy">[];
  /** Whoever made the run or its plan: their word does not count. */
  readonly makers: readonly string[];
  /** Keys of current steps whose executors refused them. */
  readonly refusedSteps: readonly string[];
  readonly overrun: Amounts;
}

/** An artifact as a gate looks at it: what its maker says besides is no part of that, and may be large. */
export type JudgedArtifact = Omit<RunArtifact, "additional">;

/** All that a judgement rests on. */
export interface GateFacts {
  readonly run: Run;
  readonly scope: GateScope;
  readonly policy: ReleasePolicy;
  /** Those that stand, newest first. */
  readonly artifacts: readonly JudgedArtifact[];
  /** Those that count: their envelopes verified, and they neither expired nor were taken back. */
  readonly waivers: readonly Waiver[];
  /** Null for work done elsewhere, and where the mode asks for none. */
  readonly governance: Governance | null;
  /** What was found in the artifacts; empty where the mode asks for none. */
  readonly findings: ReadonlyMap<RunArtifactId, Finding>;
}

/** Most artifacts that a gate judges: with more, a run has something else than artifacts. */
export const GATE_ARTIFACTS = 100_000;

/** An artifact that is to be released, and all digests that are known of it. */
export interface Released {
  readonly artifact: JudgedArtifact;
  readonly digests: Digests;
}
