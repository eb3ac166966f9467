// Plans for tests in the words of plan files, typed and filled in. Not here: what those words mean, see cli/plan-file/shape.ts.
import type { JsonValue } from "@bufbuild/protobuf";
import type { Span } from "./span.ts";

/** Amounts as plan files write them. */
export interface AmountsFixture {
  /** `5 USD` */
  readonly money?: string;
  readonly tokens?: number;
  readonly wall?: string;
  /** `500 J` */
  readonly energy?: string;
}

export interface RetryFixture {
  /** Attempts in all, the first included. */
  readonly max: number;
  readonly initial_backoff?: string;
  readonly max_backoff?: string;
  readonly multiplier?: number;
  readonly jitter?: number;
}

/** A step as plan files write it. */
export interface StepFixture {
  readonly title?: string;
  readonly capability: string;
  readonly needs?: readonly (string | { readonly step: string; readonly regardless?: boolean })[];
  readonly condition?: string;
  readonly input?: JsonValue;
  readonly input_schema?: Readonly<Record<string, JsonValue>>;
  readonly output_schema?: Readonly<Record<string, JsonValue>>;
  readonly estimate?: string | readonly [string, string, string];
  readonly timeout?: string;
  readonly retry?: RetryFixture;
  readonly on_failure?: "fail" | "skip_dependents" | "carry_on" | "ask";
  readonly compensation?: {
    readonly capability: string;
    readonly input?: JsonValue;
    readonly timeout?: string;
    readonly retry?: RetryFixture;
  };
  readonly executor_labels?: Readonly<Record<string, string>>;
  readonly min_trust?: number;
  readonly hold?: AmountsFixture;
  readonly priority?: number;
  readonly produces?: readonly string[];
  readonly consumes?: readonly string[];
  readonly requires_approval?: boolean;
}

/** A gate as plan files write it: the server itself judges. */
export interface GateFixture extends Pick<
  StepFixture,
  "title" | "needs" | "condition" | "estimate" | "timeout" | "retry" | "priority" | "requires_approval"
> {
  readonly gate: "release";
  readonly on_failure?: "fail" | "skip_dependents" | "ask";
}

/** What the release gate asks, as plan files write it. */
export interface ReleaseFixture {
  readonly mode?: "flags" | "verified";
  readonly builders?: readonly { readonly id: string; readonly public_keys: readonly string[] }[];
  readonly min_approvals?: number;
  readonly require_content?: boolean;
}

export interface CharterFixture {
  readonly name: string;
  readonly purpose?: string;
  readonly deadline?: string;
  readonly budget?: AmountsFixture;
  readonly min_trust?: number;
  readonly ratify_commits?: boolean;
  readonly stale_rule?: "rerun" | "keep";
  readonly release?: ReleaseFixture;
}

export interface GoalFixture {
  readonly name: string;
  readonly intent?: string;
  readonly inputs?: Readonly<Record<string, JsonValue>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly budget?: AmountsFixture;
  readonly deadline?: string;
  readonly min_trust?: number;
}

/** A plan as plan files write it: its JSON is a plan file. */
export interface PlanFixture {
  readonly charter: CharterFixture | string;
  readonly goal: GoalFixture;
  readonly steps: Readonly<Record<string, StepFixture | GateFixture>>;
}

/** A step of capability `test`, changed by what is given. */
export function aStep(changes: Partial<StepFixture> = {}): StepFixture {
  return { capability: "test", ...changes };
}

/**
 * A plan of these steps, each a part of one, under a charter `test` without limits. Steps may be given as their number, too:
 * independent ones, `step1` and so on.
 */
export function aPlan(
  steps: Readonly<Record<string, Partial<StepFixture> | GateFixture>> | number = 1,
  { charter = {}, goal = {} }: { charter?: Partial<CharterFixture> | string; goal?: Partial<GoalFixture> } = {},
): PlanFixture {
  const given =
    typeof steps === "number"
      ? Object.fromEntries(Array.from({ length: steps }, (_, i) => [`step${i + 1}`, {}]))
      : steps;
  return {
    charter: typeof charter === "string" ? charter : { name: "test", ...charter },
    goal: { name: "test", ...goal },
    steps: Object.fromEntries(
      Object.entries(given).map(([key, changes]) => [key, isGate(changes) ? changes : aStep(changes)]),
    ),
  };
}

function isGate(step: Partial<StepFixture> | GateFixture): step is GateFixture {
  return "gate" in step;
}

/** Steps of which each needs the one before. */
export function aChain(...keys: readonly string[]): Record<string, StepFixture> {
  return Object.fromEntries(keys.map((key, i) => [key, aStep(i === 0 ? {} : { needs: [keys[i - 1] ?? ""] })]));
}

/** Retries at a fixed pace, without chance in it. */
export function aRetry(max: number, every: Span = "10s"): RetryFixture {
  const pause = typeof every === "number" ? `${every}ms` : every;
  return { max, initial_backoff: pause, max_backoff: pause, multiplier: 1, jitter: 0 };
}
