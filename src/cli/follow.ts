// Follows a plan from a cursor to its end, over as many streams as it takes. Not here: how it is shown.
import { setTimeout as wait } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Plan } from "../../gen/maestro/v1/plan_pb.ts";
import type { PlanEvent } from "../../gen/maestro/v1/plan_service_pb.ts";
import type { ServerClient } from "./client.ts";
import { refusalOf } from "./refusal.ts";

export type Followed =
  | { readonly kind: "snapshot"; readonly plan: Plan }
  | { readonly kind: "event"; readonly event: PlanEvent }
  | { readonly kind: "broken"; readonly reason: string }
  | { readonly kind: "ended"; readonly plan: Plan };

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;

/** Ends after `ended`, or when the signal fires. A broken stream is resumed from its last cursor; only a final refusal is thrown. */
export async function* follow(
  client: ServerClient,
  planId: string,
  after: bigint,
  signal: AbortSignal,
): AsyncGenerator<Followed> {
  let waitMs = FIRST_WAIT_MS;
  for (;;) {
    try {
      for await (const { message } of client.plans.watchPlan({ planId, after }, { signal })) {
        waitMs = FIRST_WAIT_MS;
        switch (message.case) {
          case "snapshot":
            yield { kind: "snapshot", plan: message.value };
            break;
          case "event":
            // A passing event has no sequence, and does not move the cursor.
            if (message.value.sequence > after) after = message.value.sequence;
            yield { kind: "event", event: message.value };
            break;
          case "checkpoint":
            if (message.value.after > after) after = message.value.after;
            break;
          case "ended":
            yield { kind: "ended", plan: message.value };
            return;
          case undefined:
        }
      }
      yield { kind: "broken", reason: "the server ended the stream" };
    } catch (error) {
      if (signal.aborted) return;
      if (!mayPass(error)) throw error;
      yield { kind: "broken", reason: error instanceof Error ? error.message : String(error) };
    }
    await wait(waitMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
  }
}

/** Whether trying again can help. */
export function mayPass(error: unknown): boolean {
  const refusal = refusalOf(error);
  if (refusal !== undefined) return refusal.retryable;
  if (!(error instanceof ConnectError)) return false;
  return [Code.Unavailable, Code.Aborted, Code.Canceled, Code.Unknown, Code.Internal, Code.DeadlineExceeded].includes(
    error.code,
  );
}
