// StepService.TailLogs: kept lines of a step's newest attempt, and new ones until the step ends.
import { StepService, TailLogsRequestSchema } from "../../../gen/maestro/v1/step_service_pb.ts";
import type { TailLogsRequest, TailLogsResponse } from "../../../gen/maestro/v1/step_service_pb.ts";
import type { KeptLines, LogLine } from "../../dispatch/dispatcher.ts";
import type { Attempt } from "../../domain/outcome.ts";
import { RefusedError, notFound, refusal } from "../../domain/refusal.ts";
import { hasEnded } from "../../domain/step.ts";
import type { StepRow } from "../../domain/step.ts";
import { KEY_ENDED } from "../../engine/identify.ts";
import { logLineToWire } from "../mapping/lease.ts";
import { idIn, noProblems } from "../mapping/problems.ts";
import { methodSpec } from "../operation-table.ts";
import { server } from "../route.ts";
import type { CallInfo, Route } from "../route.ts";
import { validate } from "../validate.ts";
import { createBacklog } from "./backlog.ts";
import type { Kit } from "./kit.ts";
import { createStirred } from "./stirred.ts";
import { goingDown, granted, lengthOf } from "./watch.ts";

const spec = methodSpec(StepService.method.tailLogs);
/** Lines that wait for a reader. */
const WAITING = 20_000;
/** Lines of one message: text of at most 16 KiB each stays below what a message may have. */
const LINES = 128;
const LOOK_MS = 1_000;

export function tailLogsRoute(kit: Kit): Route {
  return server(StepService.method.tailLogs, (request, info) => tail(kit, request, info));
}

const say = (lines: readonly LogLine[], dropped: number): TailLogsResponse => ({
  $typeName: "maestro.v1.TailLogsResponse",
  lines: lines.map(logLineToWire),
  dropped: BigInt(dropped),
});

/** Lines of the newest attempt alone: those of the one before would be taken for its own. */
function newest(
  { row, last }: { readonly row: StepRow; readonly last: Attempt | null },
  kept: KeptLines | undefined,
): Pick<KeptLines, "lines" | "dropped"> {
  if (kept !== undefined && kept.fencing >= row.fencing) return kept;
  // The attempt's row has its last lines when memory has none: it ended, and ran elsewhere.
  if (last === null || last.fencing < row.fencing || last.logTail === "") return { lines: [], dropped: 0 };
  return { lines: last.logTail.split("\n").map((text) => ({ atMs: last.endedMs, stream: "", text })), dropped: 0 };
}

async function* tail(kit: Kit, request: TailLogsRequest, info: CallInfo): AsyncGenerator<TailLogsResponse> {
  const admitted = await kit.pipeline.admit({
    method: spec,
    caller: info.caller,
    keyHeader: "",
    keyField: "",
    decode: () => {
      const valid = validate(TailLogsRequestSchema, request);
      if (!valid.ok) return valid;
      const problems = noProblems();
      return problems.judge({ planId: idIn(problems, "plan_id", "plan", request.planId), step: request.step });
    },
  });
  const { principal, request: which } = granted(admitted);
  const { planId, step } = which;
  const look = async () =>
    granted(
      await kit.pipeline.read(
        principal,
        async (tx) =>
          (await tx.plans.listSteps(principal.orgId, planId, { states: [], key: step }, { limit: 1, after: null }))[0],
        info.signal,
      ),
    );
  const view = await look();
  if (view === undefined) throw new RefusedError(notFound("step", step).refusal);
  let { ordinal } = view.row;

  const held = kit.keys.hold(principal);
  const stirred = createStirred(info.signal, kit.draining, held.ended);
  const waiting = createBacklog<LogLine>(WAITING);
  const quiet = kit.dispatcher.listen(principal.orgId, planId, {
    moved: () => stirred.stir(),
    passing: (event) => {
      // What the undoing of an older row says is not the step's; a newer row may be heard before it is seen.
      if (event.kind !== "step.log" || event.step !== step || event.ordinal < ordinal) return;
      waiting.push(event.lines, lengthOf(event.lines));
      stirred.stir();
    },
  });
  try {
    // No wait between listening and this: lines are either kept or heard, not both.
    const { lines, dropped } = newest(view, kit.dispatcher.logs(planId, ordinal));
    yield say(lines.slice(0, LINES), dropped);
    for (let at = LINES; at < lines.length; at += LINES) yield say(lines.slice(at, at + LINES), 0);
    let { state } = view.row;
    while (request.follow && !info.signal.aborted) {
      if (held.ended.aborted) throw new RefusedError(KEY_ENDED);
      // What was said before the step's end was heard before it: the state is read first, the lines after it.
      const over = hasEnded(state);
      const heard = waiting.take();
      for (let at = 0; at < heard.length; at += LINES) yield say(heard.slice(at, at + LINES), 0);
      if (waiting.tooSlow)
        throw new RefusedError(refusal("SLOW_READER", "The reader did not keep up; ask again for what is kept."));
      if (over) return;
      if (kit.draining.aborted) throw new RefusedError(goingDown());
      await stirred.wait(LOOK_MS);
      const now = await look();
      if (now === undefined) return;
      ({ state, ordinal } = now.row);
    }
  } finally {
    stirred.end();
    held.release();
    quiet();
  }
}
