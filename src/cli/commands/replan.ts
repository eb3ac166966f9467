// `maestro replan`: puts what a plan file says in the place of what a plan runs. Not here: finding the plan by the file, see
// apply.ts.
import { ReplanGraphResponseSchema } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { diffText, trialOf } from "../patch.ts";
import { howToAnswer } from "../questions.ts";
import { harmless } from "../table.ts";
import { goalOf } from "../target.ts";
import { sameGoal } from "./apply.ts";
import { readRequests, warn } from "./validate.ts";

export interface ReplanFlags {
  readonly dryRun?: boolean;
  readonly reason: string;
}

export async function replan(named: string, file: string, flags: ReplanFlags, context: Context): Promise<void> {
  const { requests, warnings } = readRequests(file);
  warn(file, warnings, context);
  const { io, json, quiet, notice, withClient } = context;
  const say = (text: string): void => {
    if (!json && !quiet) io.out(`${text}\n`);
  };
  await withClient(async (client) => {
    const goal = await goalOf(client, named, io.signal);
    if (!sameGoal(goal, requests.goal) && !quiet)
      notice(harmless(`${file}: the goal of ${goal.planId} stays as it is; steps and limits are taken`));
    const { seen, changes, commit } = await trialOf(client, goal, requests, flags.reason, io.signal);
    if (changes) say(diffText(seen.summary, seen.steps, io.columns));
    else say(`nothing changed: ${goal.planId} stays as it is`);
    if (changes && seen.staleSteps.length > 0)
      say(harmless(`done, of what may become something else: ${seen.staleSteps.join(", ")}`));
    if (!changes || flags.dryRun === true) {
      if (json) io.out(jsonLine(ReplanGraphResponseSchema, seen));
      return;
    }
    const done = await commit();
    if (json) io.out(jsonLine(ReplanGraphResponseSchema, done));
    const version = `version ${done.version?.version ?? 0}`;
    if (done.approvalId === "") return say(`re-planned ${goal.planId} to ${version}`);
    say(`${version} of ${goal.planId} waits for ratification: ${done.approvalId}; until then it goes on as it is`);
    say(howToAnswer(done.approvalId, client.url));
  });
}
