// Shows a plan until it ends: a display that is redrawn on a terminal, plain lines anywhere else. Not here: what it says.
import { create } from "@bufbuild/protobuf";
import { AmountsSchema } from "../../gen/maestro/v1/amounts_pb.ts";
import type { Amounts, Ledger } from "../../gen/maestro/v1/amounts_pb.ts";
import type { Plan } from "../../gen/maestro/v1/plan_pb.ts";
import { PlanState, PlanStateSchema } from "../../gen/maestro/v1/plan_pb.ts";
import { StepState } from "../../gen/maestro/v1/step_pb.ts";
import type { Step } from "../../gen/maestro/v1/step_pb.ts";
import { isoTime, systemClock } from "../support/clock.ts";
import { counted } from "../support/counted.ts";
import type { ServerClient } from "./client.ts";
import { ExecutorNames } from "./executor-names.ts";
import { follow, mayPass } from "./follow.ts";
import type { CliIo } from "./io.ts";
import { PlanView } from "./plan-view.ts";
import { mayAsk, Questions } from "./questions.ts";
import { failureReasons } from "./reasons.ts";
import { harmless } from "./table.ts";
import { amountsText, epochMs, msOf, spanText, word } from "./words.ts";

const REDRAW_MS = 200;
const NO_REASONS: ReadonlyMap<string, string> = new Map();

export interface ShowOptions {
  readonly quiet: boolean;
  readonly json: boolean;
  /** The plan was committed just now: what happened before the watch began is news. */
  readonly fresh: boolean;
}

/** Shows what happens from now on. The plan as it ended; undefined when the user ended the watch. */
export async function showPlan(
  client: ServerClient,
  planId: string,
  io: CliIo,
  options: ShowOptions,
): Promise<Plan | undefined> {
  const names = new ExecutorNames(client, io.signal);
  const view = new PlanView(names.of);
  const display = new Display(io, options, view);
  const questions = new Questions(client, planId, io.signal);
  const tell = (lines: readonly string[], atMs = systemClock.nowMs()): void => {
    for (const line of lines) display.say(`${clockTime(atMs)}  ${line}`);
  };
  const { plan } = await client.plans.getPlan({ planId }, { signal: io.signal });
  let begun = false;
  try {
    for await (const followed of follow(client, planId, plan?.recordSequence ?? 0n, io.signal)) {
      switch (followed.kind) {
        case "snapshot": {
          // Only now is the server listening: a lease from before would be told by no event, and by no list from before either.
          view.plan(followed.plan);
          const steps = await allSteps(client, planId, io.signal).catch((error: unknown) => {
            if (io.signal.aborted || !mayPass(error)) throw error;
          });
          // The server went away in between: the stream breaks as well, and begins with a snapshot again.
          if (steps === undefined) break;
          await names.learn(steps.map(({ executorId }) => executorId));
          if (begun) tell(view.resume(steps));
          else {
            const reasons = options.fresh ? await failureReasons(client, planId, steps, io.signal) : NO_REASONS;
            tell(view.begin(steps, options.fresh, reasons));
          }
          tell(await questions.news());
          if (!begun) display.start();
          begun = true;
          break;
        }
        case "event":
          await names.learn([followed.event.executorId]);
          tell(view.take(followed.event), epochMs(followed.event.at));
          if (mayAsk(followed.event)) tell(await questions.news());
          break;
        case "broken":
          display.say(`the stream broke (${followed.reason}); resuming`);
          break;
        case "ended":
          return followed.plan;
      }
    }
    return undefined;
  } finally {
    display.stop();
  }
}

class Display {
  readonly #io: CliIo;
  readonly #view: PlanView;
  readonly #live: boolean;
  readonly #silent: boolean;
  #timer: NodeJS.Timeout | undefined;
  #drawn = 0;

  constructor(io: CliIo, { quiet, json }: ShowOptions, view: PlanView) {
    this.#io = io;
    this.#view = view;
    this.#silent = quiet || json;
    this.#live = io.terminal && !this.#silent;
  }

  start(): void {
    if (this.#live) this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
  }

  say(line: string): void {
    if (this.#silent) return;
    this.#erase();
    this.#io.out(`${harmless(line)}\n`);
    if (this.#live) this.#draw();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#erase();
  }

  #draw(): void {
    this.#erase();
    const lines = this.#view.live(systemClock.nowMs(), this.#io.columns);
    this.#io.out(`${lines.join("\n")}\n`);
    this.#drawn = lines.length;
  }

  /** Up over what was drawn, and clear to the end of the screen. */
  #erase(): void {
    if (this.#drawn > 0) this.#io.out(`\u001b[${this.#drawn}A\u001b[J`);
    this.#drawn = 0;
  }
}

export async function allSteps(client: ServerClient, planId: string, signal: AbortSignal): Promise<Step[]> {
  const steps: Step[] = [];
  for (let pageToken = ""; ;) {
    const page = await client.steps.listSteps({ planId, pageSize: 1000, pageToken }, { signal });
    steps.push(...page.steps);
    pageToken = page.nextPageToken;
    if (pageToken === "") return steps;
  }
}

/** How it ended, in one line. */
export function endLine(plan: Plan): string {
  const { progress, ledger, reason } = plan;
  const began = epochMs(plan.committedAt);
  const ended = epochMs(plan.finishedAt);
  const took = began === undefined || ended === undefined ? "" : ` in ${spanText(ended - began)}`;
  const done = progress === undefined ? "" : `; ${progress.succeeded} of ${counted(progress.total, "step")} succeeded`;
  const why = reason === "" || plan.state === PlanState.COMPLETED ? "" : `: ${harmless(reason)}`;
  return `plan ${plan.planId} ${word(PlanStateSchema, plan.state)}${took}${done}; used ${amountsText(usedOf(ledger), ledger?.currency ?? "")}${why}`;
}

/** What was reported within holds and beyond them. */
function usedOf(ledger: Ledger | undefined): Amounts | undefined {
  const { spent, overrun } = ledger ?? {};
  if (spent === undefined || overrun === undefined) return spent ?? overrun;
  const wallMs = msOf(spent.wall) + msOf(overrun.wall);
  return create(AmountsSchema, {
    tokens: spent.tokens + overrun.tokens,
    moneyMicros: spent.moneyMicros + overrun.moneyMicros,
    wall: { seconds: BigInt(Math.floor(wallMs / 1000)), nanos: Math.round(wallMs % 1000) * 1_000_000 },
    energyMillijoules: spent.energyMillijoules + overrun.energyMillijoules,
  });
}

const FAILED_STATES: ReadonlySet<StepState> = new Set([
  StepState.FAILED,
  StepState.REFUSED,
  StepState.COMPENSATION_FAILED,
]);
const LAST_LINES = 30;

/** What went wrong, step by step, with the last lines of each. */
export async function failures(client: ServerClient, planId: string, signal: AbortSignal): Promise<string[]> {
  const failed = (await allSteps(client, planId, signal)).filter(({ state }) => FAILED_STATES.has(state));
  const reasons = await failureReasons(client, planId, failed, signal);
  const told: string[] = [];
  for (const { key, attempt } of failed) {
    const when = attempt === 0 ? "before its first attempt" : `after ${counted(attempt, "attempt")}`;
    told.push(`✗ ${key} failed ${when}: ${harmless(reasons.get(key) ?? "no reason given")}`);
    if (attempt === 0) continue;
    for (const line of await lastLines(client, planId, key, signal)) told.push(`    ${line}`.trimEnd());
  }
  return told;
}

async function lastLines(client: ServerClient, planId: string, step: string, signal: AbortSignal): Promise<string[]> {
  const lines: string[] = [];
  try {
    for await (const { lines: some } of client.steps.tailLogs({ planId, step }, { signal })) {
      lines.push(...some.map(({ text }) => harmless(text)));
    }
  } catch (error) {
    if (signal.aborted) throw error;
    lines.push(`(its lines cannot be read: ${harmless(error instanceof Error ? error.message : String(error))})`);
  }
  // Tools like to frame what they say by empty lines.
  const said = (line: string): boolean => line.trim() !== "";
  return lines.slice(Math.max(0, lines.findIndex(said)), lines.findLastIndex(said) + 1).slice(-LAST_LINES);
}

export function clockTime(ms: number | undefined): string {
  return ms === undefined ? "        " : isoTime(ms).slice(11, 19);
}
