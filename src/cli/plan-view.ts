// A plan as it looks from what was heard of it so far. Pure: it is told things, and asked for words. Not here: the terminal.
import type { Plan } from "../../gen/maestro/v1/plan_pb.ts";
import { PlanState, PlanStateSchema } from "../../gen/maestro/v1/plan_pb.ts";
import type { PlanEvent } from "../../gen/maestro/v1/plan_service_pb.ts";
import { StepState, StepStateSchema } from "../../gen/maestro/v1/step_pb.ts";
import type { Step, StepDefinition } from "../../gen/maestro/v1/step_pb.ts";
import { skipReason } from "./reasons.ts";
import { clip, harmless } from "./table.ts";
import { epochMs, spanText, word } from "./words.ts";

interface SeenStep {
  state: StepState;
  attempt: number;
  executorId: string;
  startedMs: number | undefined;
  progress: number;
  message: string;
  definition: StepDefinition | undefined;
}

const MARKS: Partial<Record<StepState, string>> = {
  [StepState.SUCCEEDED]: "✓",
  [StepState.FAILED]: "✗",
  [StepState.REFUSED]: "✗",
  [StepState.SKIPPED]: "–",
  [StepState.CANCELLED]: "–",
  [StepState.LEASED]: "▶",
  [StepState.STOPPING]: "■",
  [StepState.BACKING_OFF]: "↻",
  [StepState.COMPENSATED]: "↺",
};
const RUNNING: ReadonlySet<StepState> = new Set([StepState.LEASED, StepState.STOPPING]);
const ENDED: ReadonlySet<StepState> = new Set([
  StepState.SUCCEEDED,
  StepState.FAILED,
  StepState.REFUSED,
  StepState.SKIPPED,
  StepState.CANCELLED,
  StepState.COMPENSATED,
  StepState.COMPENSATION_FAILED,
]);
const BAR = 24;
const MOST_RUNNING = 8;

export class PlanView {
  readonly #steps = new Map<string, SeenStep>();
  readonly #nameOf: (executorId: string) => string;
  #planState: PlanState = PlanState.UNSPECIFIED;

  constructor(nameOf: (executorId: string) => string) {
    this.#nameOf = nameOf;
  }

  /** Where each step stands before the first event; says which run, and, of a plan that has just begun, which have ended. */
  begin(steps: readonly Step[], fresh: boolean, reasons: ReadonlyMap<string, string>): string[] {
    for (const step of steps) this.#stands(step, "");
    return steps.flatMap((step) => {
      const told = this.#stands(step, reasons.get(step.key) ?? "");
      return RUNNING.has(step.state) || (fresh && ENDED.has(step.state)) ? told : [];
    });
  }

  /** After a break: what ended meanwhile is told by its record, what was leased by nothing else. */
  resume(steps: readonly Step[]): string[] {
    return steps.flatMap((step) => {
      const seen = this.#steps.get(step.key);
      const known = seen !== undefined && RUNNING.has(seen.state) && seen.attempt === step.attempt;
      return known || !RUNNING.has(step.state) ? [] : this.#stands(step, "");
    });
  }

  plan(plan: Plan): void {
    this.#planState = plan.state;
  }

  /** Takes it in, and says what is worth a line of its own. */
  take(event: PlanEvent): string[] {
    const lines: string[] = [];
    if (event.planState !== PlanState.UNSPECIFIED && event.planState !== this.#planState) {
      this.#planState = event.planState;
      lines.push(`plan ${word(PlanStateSchema, event.planState)}`);
    }
    if (event.step !== "") lines.push(...this.#moved(event.step, event.stepState, event));
    for (const { step, state } of event.changes) {
      // Waiting, ready and the like change in crowds; an end is news.
      const told = this.#moved(step, state, event);
      if (ENDED.has(state) && step !== event.step) lines.push(...told);
    }
    return lines;
  }

  /** The lines of a live display. */
  live(nowMs: number, columns: number): string[] {
    const all = [...this.#steps.values()];
    const ended = all.filter(({ state }) => ENDED.has(state)).length;
    const filled = all.length === 0 ? 0 : Math.round((ended / all.length) * BAR);
    const counts = new Map<StepState, number>();
    for (const { state } of all) counts.set(state, (counts.get(state) ?? 0) + 1);
    const parts = [...counts]
      .filter(([state]) => state !== StepState.UNSPECIFIED)
      .map(([state, count]) => `${count} ${word(StepStateSchema, state).toLowerCase()}`);
    const running = [...this.#steps].filter(([, { state }]) => RUNNING.has(state));
    const width = Math.max(0, ...running.map(([key]) => key.length));
    return [
      `${"█".repeat(filled)}${"░".repeat(BAR - filled)} ${ended}/${all.length}  ${parts.join(", ")}`,
      ...running.slice(0, MOST_RUNNING).map(([key, step]) => {
        const spent = step.startedMs === undefined ? "" : spanText(Math.max(0, nowMs - step.startedMs));
        const share = step.progress > 0 ? ` ${Math.round(step.progress * 100)} %` : "";
        return `  ▶ ${key.padEnd(width)}  ${spent}${share}  ${step.message}`;
      }),
      ...(running.length > MOST_RUNNING ? [`  … and ${running.length - MOST_RUNNING} more`] : []),
    ].map((line) => clip(harmless(line), columns - 1));
  }

  #stands({ key, state, attempt, executorId, startedAt, definition }: Step, why: string): string[] {
    const seen = { state, attempt, executorId, startedMs: epochMs(startedAt), progress: 0, message: "", definition };
    this.#steps.set(key, seen);
    return [this.#line(key, seen, StepState.UNSPECIFIED, "", why)];
  }

  #moved(key: string, state: StepState, event: PlanEvent): string[] {
    const step = this.#steps.get(key) ?? {
      state: StepState.UNSPECIFIED,
      attempt: 0,
      executorId: "",
      startedMs: undefined,
      progress: 0,
      message: "",
      definition: undefined,
    };
    this.#steps.set(key, step);
    const own = key === event.step;
    if (own && event.kind === "step.progress") {
      step.progress = event.progress;
      step.message = event.message;
      return [];
    }
    if (own && event.kind === "step.log") {
      step.message = event.message;
      return [];
    }
    const leased = own && event.kind === "step.leased";
    const before = step.state;
    // A lease is no news when the list of steps had it already.
    const listed = RUNNING.has(before) || ENDED.has(before);
    if (leased && listed && event.attempt <= step.attempt) return [];
    const next = leased ? StepState.LEASED : state;
    if (next === StepState.UNSPECIFIED || (next === before && !leased)) return [];
    const atMs = epochMs(event.at);
    const spent =
      step.startedMs === undefined || atMs === undefined
        ? ""
        : ` after ${spanText(Math.max(0, atMs - step.startedMs))}`;
    step.state = next;
    if (own && event.attempt > 0) step.attempt = event.attempt;
    if (own && event.executorId !== "") step.executorId = event.executorId;
    if (next === StepState.LEASED) {
      step.startedMs = atMs;
      step.progress = 0;
      step.message = "";
    }
    return [this.#line(key, step, before, spent, own ? event.message : "")];
  }

  #line(key: string, step: SeenStep, before: StepState, spent: string, told: string): string {
    const skipped = step.state === StepState.SKIPPED && told === "";
    const message = skipped ? skipReason(step.definition, (other) => this.#steps.get(other)?.state) : told;
    const attempt = step.attempt > 1 ? ` (attempt ${step.attempt})` : "";
    const timed = before === StepState.LEASED || before === StepState.STOPPING ? spent : "";
    const by = step.state === StepState.LEASED && step.executorId !== "" ? ` by ${this.#nameOf(step.executorId)}` : "";
    const why =
      message === "" || step.state === StepState.LEASED || step.state === StepState.SUCCEEDED ? "" : `: ${message}`;
    return harmless(
      `${MARKS[step.state] ?? "·"} ${key} ${word(StepStateSchema, step.state)}${timed}${attempt}${by}${why}`,
    );
  }
}
