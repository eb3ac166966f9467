// PlanService.WatchPlan: what happens to a plan, from a cursor on. Records are read from the store, so none is missed; passing events come by the way.
import { PlanService, WatchPlanRequestSchema } from "../../../gen/maestro/v1/plan_service_pb.ts";
import type { PlanEvent, WatchPlanRequest, WatchPlanResponse } from "../../../gen/maestro/v1/plan_service_pb.ts";
import type { LogLine, PassingEvent } from "../../dispatch/dispatcher.ts";
import { RefusedError, invalid, notFound, refusal } from "../../domain/refusal.ts";
import type { Decision, Refusal } from "../../domain/refusal.ts";
import { planHasEnded } from "../../domain/plan.ts";
import { KEY_ENDED } from "../../engine/identify.ts";
import { passingToEvent, recordToEvent } from "../mapping/event.ts";
import { planToWire } from "../mapping/plan.ts";
import { idIn, noProblems } from "../mapping/problems.ts";
import { methodSpec } from "../operation-table.ts";
import { server } from "../route.ts";
import type { CallInfo, Route } from "../route.ts";
import { validate } from "../validate.ts";
import { createBacklog } from "./backlog.ts";
import type { Kit } from "./kit.ts";
import { createStirred } from "./stirred.ts";

const spec = methodSpec(PlanService.method.watchPlan);
/** Records read at a time. */
const PAGE = 200;
/** Passing events that wait for a reader; more than that and it does not keep up. */
const WAITING = 10_000;
/** Other servers' commits are not heard of here: look at least this often. */
const LOOK_MS = 1_000;

export function watchPlanRoute(kit: Kit): Route {
  return server(PlanService.method.watchPlan, (request, info) => watch(kit, request, info));
}

type Message = WatchPlanResponse["message"];
const say = (message: Message): WatchPlanResponse => ({ $typeName: "maestro.v1.WatchPlanResponse", message });
const tell = (value: PlanEvent): WatchPlanResponse => say({ case: "event", value });

async function* watch(kit: Kit, request: WatchPlanRequest, info: CallInfo): AsyncGenerator<WatchPlanResponse> {
  const admitted = await kit.pipeline.admit({
    method: spec,
    caller: info.caller,
    keyHeader: "",
    keyField: "",
    decode: () => {
      const valid = validate(WatchPlanRequestSchema, request);
      if (!valid.ok) return valid;
      const problems = noProblems();
      return problems.judge({ planId: idIn(problems, "plan_id", "plan", request.planId) });
    },
  });
  const { principal, request: which } = granted(admitted);
  const { orgId } = principal;
  const { planId } = which;

  // Listening begins before the first look, so that nothing falls between the two.
  const held = kit.keys.hold(principal);
  const stirred = createStirred(info.signal, kit.draining, held.ended);
  const passing = createBacklog<PassingEvent>(WAITING);
  const quiet = kit.dispatcher.listen(orgId, planId, {
    moved: () => stirred.stir(),
    passing: (event) => {
      if (event.kind === "step.log" && !request.logs) return;
      passing.push([event], event.message.length + lengthOf(event.lines));
      stirred.stir();
    },
  });
  try {
    let after = Number(request.after);
    let told = false;
    while (!info.signal.aborted) {
      if (held.ended.aborted) throw new RefusedError(KEY_ENDED);
      const from = after;
      const look = await kit.pipeline.read(
        principal,
        async (tx) => ({
          plan: await tx.plans.find(orgId, planId),
          records: await tx.records.ofPlan(orgId, planId, from, PAGE),
        }),
        info.signal,
      );
      const { plan, records } = granted(look);
      if (plan === undefined || plan.state === "UNCOMMITTED") throw new RefusedError(notFound("plan", planId).refusal);
      const snapshot = planToWire(plan);
      if (!told) {
        if (after > plan.recordSeq)
          throw new RefusedError(
            invalid({
              field: "after",
              description: `must be at most ${plan.recordSeq}, the newest record`,
              rule: "watch.cursor",
            }).refusal,
          );
        if (snapshot !== undefined) yield say({ case: "snapshot", value: snapshot });
        told = true;
      }
      for (const record of records) {
        for (const event of passing.take((e) => e.after < record.seq)) yield tell(passingToEvent(event));
        after = record.seq;
        yield tell(recordToEvent(record));
      }
      if (records.length > 0)
        yield say({ case: "checkpoint", value: { $typeName: "maestro.v1.Checkpoint", after: BigInt(after) } });
      // What came of a record that is not read yet waits for it.
      for (const event of passing.take((e) => e.after <= after)) yield tell(passingToEvent(event));
      if (passing.tooSlow)
        throw new RefusedError(
          refusal("SLOW_READER", "The reader did not keep up; resume from the last checkpoint.", {
            metadata: { after: String(after) },
          }),
        );
      if (records.length === PAGE) continue;
      if (planHasEnded(plan.state) && after >= plan.recordSeq) {
        if (snapshot !== undefined) yield say({ case: "ended", value: snapshot });
        return;
      }
      if (kit.draining.aborted) throw new RefusedError(goingDown());
      await stirred.wait(LOOK_MS);
    }
  } finally {
    stirred.end();
    held.release();
    quiet();
  }
}

/** Characters of lines. */
export function lengthOf(lines: readonly LogLine[]): number {
  return lines.reduce((sum, line) => sum + line.text.length, 0);
}

export function goingDown(): Refusal {
  return refusal("DRAINING", "The server is going down; go on elsewhere.", { retryAfterMs: 500 });
}

/** The value of a decision; a refusal ends the stream. */
export function granted<T>(decision: Decision<T>): T {
  if (!decision.ok) throw new RefusedError(decision.refusal);
  return decision.value;
}
