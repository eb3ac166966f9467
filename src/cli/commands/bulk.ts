// Verbs on many plans, or many steps of a plan, at once: page by page, so that a break loses nothing and no transaction spans
// them all. Not here: one of them, see plan-verbs.ts.
import { ChangePlansResponseSchema, PlanVerb, PlanVerbSchema } from "../../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReasonSchema } from "../../../gen/maestro/v1/refusal_pb.ts";
import type { PassedOver } from "../../../gen/maestro/v1/refusal_pb.ts";
import type { StepState } from "../../../gen/maestro/v1/step_pb.ts";
import { StepStateSchema } from "../../../gen/maestro/v1/step_pb.ts";
import { ChangeStepsResponseSchema, StepVerb, StepVerbSchema } from "../../../gen/maestro/v1/step_service_pb.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { CommandEnd, FAILED } from "../io.ts";
import { harmless } from "../table.ts";
import { planIdOf } from "../target.ts";
import { valueOf, word } from "../words.ts";

export interface BulkFlags {
  readonly reason: string;
  readonly dryRun?: boolean;
}

export interface PlansWanted extends BulkFlags {
  readonly charter: string;
  readonly filter: string;
  readonly compensate?: boolean;
}

export const suspendPlans = PlanVerb.SUSPEND;
export const resumePlans = PlanVerb.RESUME;
export const cancelPlans = PlanVerb.CANCEL;

export async function changePlans(verb: PlanVerb, wanted: PlansWanted, context: Context): Promise<void> {
  const { io, json, quiet, withClient } = context;
  const { reason, charter, filter, compensate = false, dryRun = false } = wanted;
  let matched = 0;
  const passed = new PassedOverTally();
  await withClient(async (client) => {
    for (let pageToken = ""; ;) {
      const page = await client.plans.changePlans(
        { verb, reason, charter, filter, compensate, dryRun, pageToken, idempotencyKey: client.newKey() },
        { signal: io.signal },
      );
      matched += page.matched;
      passed.add(page.passedOver);
      if (json) io.out(jsonLine(ChangePlansResponseSchema, page));
      else if (!quiet) for (const planId of page.planIds) io.out(`${planId}\n`);
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
  });
  if (!json && !quiet)
    io.out(`${word(PlanVerbSchema, verb).toLowerCase()}: ${counted(matched, "plan", dryRun)}\n${passed.text()}`);
}

export const retrySteps = StepVerb.RETRY;
export const skipSteps = StepVerb.SKIP;
export const holdSteps = StepVerb.HOLD;
export const releaseSteps = StepVerb.RELEASE;

/** `keys` may hold `*` and `?`. */
export async function changeSteps(
  verb: StepVerb,
  named: string,
  keys: string,
  { reason, dryRun = false, state }: BulkFlags & { readonly state: readonly string[] },
  context: Context,
): Promise<void> {
  const { io, json, quiet, withClient } = context;
  const states = state.flatMap((typed): StepState[] => {
    const value = valueOf(StepStateSchema, typed);
    return value === undefined ? [] : [value];
  });
  let matched = 0;
  const refused: string[] = [];
  const passed = new PassedOverTally();
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    for (let pageToken = ""; ;) {
      const page = await client.steps.changeSteps(
        { planId, verb, states, keys, reason, dryRun, pageToken, idempotencyKey: client.newKey() },
        { signal: io.signal },
      );
      matched += page.matched;
      passed.add(page.passedOver);
      for (const { step, refusal } of page.refused) {
        if (refusal !== undefined)
          refused.push(
            harmless(`${step}: refused: ${word(RefusalReasonSchema, refusal.reason)} — ${refusal.explanation}`),
          );
      }
      if (json) io.out(jsonLine(ChangeStepsResponseSchema, page));
      else if (!quiet) for (const step of page.steps) io.out(`${harmless(step)}\n`);
      pageToken = page.nextPageToken;
      if (pageToken === "") break;
    }
  });
  const done = matched - refused.length;
  if (!json && !quiet)
    io.out(`${word(StepVerbSchema, verb).toLowerCase()}: ${counted(done, "step", dryRun)}\n${passed.text()}`);
  if (refused.length > 0) throw new CommandEnd(FAILED, refused.join("\n"));
}

function counted(count: number, noun: string, dryRun: boolean): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}${dryRun ? ", had it not been a dry run" : ""}`;
}

/** What was passed over on all pages, by why. */
class PassedOverTally {
  readonly #counts = new Map<string, { count: number; readonly examples: string[] }>();

  add(page: readonly PassedOver[]): void {
    for (const { explanation, count, examples } of page) {
      const so = this.#counts.get(explanation) ?? { count: 0, examples: [] };
      so.count += count;
      so.examples.push(...examples.slice(0, EXAMPLES - so.examples.length));
      this.#counts.set(explanation, so);
    }
  }

  /** A line for each reason; empty for none. */
  text(): string {
    return [...this.#counts]
      .map(([why, { count, examples }]) => {
        const more = count > examples.length ? ", …" : "";
        return `${harmless(`passed over: ${String(count)} (${examples.join(", ")}${more}) — ${why}`)}\n`;
      })
      .join("");
  }
}

const EXAMPLES = 3;
