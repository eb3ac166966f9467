// What becomes of each step when one graph version takes another's place. Not here: what differs (diff.ts), and making it
// happen (plan/).
import type { StepState } from "../step.ts";

export type StepFate =
  "REUSED" | "CONTINUED" | "KEPT" | "ADDED" | "RERUN" | "DROPPED" | "STOPPED" | "COMPENSATED" | "NOT_COMPENSABLE";

/** Where a step of the active version stands. */
export interface StepProgress {
  readonly state: StepState;
  /** Its lease is one of its compensation. */
  readonly undoing?: boolean;
  /** It declared how to undo it. */
  readonly compensable: boolean;
  /** It only judges: there is nothing to undo. */
  readonly isGate?: boolean;
}

/** How the step is in the new version, as far as execution goes. */
export type Change = "SAME" | "CHANGED" | "ADDED" | "REMOVED";

/** Done means SUCCEEDED and not compensated. A changed step that runs or is done also runs again after its fate. */
export function fateOf(change: Change, progress: StepProgress | undefined): StepFate {
  if (change === "ADDED") return "ADDED";
  const running =
    progress !== undefined &&
    progress.undoing !== true &&
    (progress.state === "LEASED" || progress.state === "STOPPING");
  const done = progress?.state === "SUCCEEDED";
  if (change === "SAME") return done ? "REUSED" : running ? "CONTINUED" : "KEPT";
  if (running) return "STOPPED";
  if (done && progress.isGate !== true) return progress.compensable ? "COMPENSATED" : "NOT_COMPENSABLE";
  return change === "CHANGED" ? "RERUN" : "DROPPED";
}
