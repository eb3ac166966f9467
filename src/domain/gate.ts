// Gate steps: steps that Maestro itself performs, and the capabilities that it keeps to itself for them. Not here: what a release
// gate asks, see release/; performing one, see operations/gate-perform.ts.
import type { ExecutorId } from "./id.ts";
import { refused } from "./refusal.ts";
import type { Refusal, Violation } from "./refusal.ts";
import type { StepDefinition } from "./step.ts";

/** Capabilities that begin so are Maestro's own: no executor has one, and no step of work asks for one. */
const RESERVED_PREFIX = "maestro.";

/** What a release gate asks of whoever performs it. */
export const RELEASE_GATE = "maestro.gate.release";

/** Who performs gates: Maestro, under an id that is given to no executor. */
export const GATEKEEPER = "00000000-0000-0000-0000-000000000001" as ExecutorId;

/** How long a gate may take, unless its step says. */
export const GATE_TIMEOUT_MS = 300_000;

export function isReserved(capability: string): boolean {
  return capability.startsWith(RESERVED_PREFIX);
}

export const RESERVED_WORDS = `begins with ${RESERVED_PREFIX}, which Maestro keeps to itself`;

/** What a definition says that its kind does not allow; fields in the words of the wire, below the step's own. */
export function kindViolations(step: StepDefinition): readonly Violation[] {
  const found: Violation[] = [];
  const say = (field: string, description: string, rule: string): void => void found.push({ field, description, rule });
  if (step.compensation !== null && isReserved(step.compensation.capability))
    say("compensation.capability", RESERVED_WORDS, "capability.reserved");
  if (step.kind === "work") {
    if (isReserved(step.capability)) say("work.capability", RESERVED_WORDS, "capability.reserved");
    return found;
  }
  const given: readonly (readonly [string, boolean])[] = [
    ["input", step.input !== null],
    ["input_schema", step.inputSchema !== ""],
    ["output_schema", step.outputSchema !== ""],
    ["compensation", step.compensation !== null],
    ["produces", step.produces.length > 0],
    ["consumes", step.consumes.length > 0],
  ];
  for (const [field, isGiven] of given) if (isGiven) say(field, "is nothing that a gate has", "gate.field");
  // What depends on it would run as if it had passed.
  if (step.onFailure === "CARRY_ON") say("on_failure", "nobody passes a gate that did not pass", "gate.on_failure");
  return found;
}

/** A gate is neither skipped nor resolved: its rules are waived, or what it asks for is brought. */
export function passedByNobody(key: string, state: string): Refusal {
  return refused("STATE_CONFLICT", `Step ${key} is a gate, which is passed by nobody's word.`, {
    rule: "gate.by_hand",
    metadata: { kind: "step", id: key, state },
    remedy: "Bring what its failed rules ask for, or have them waived, and try it again.",
  }).refusal;
}
