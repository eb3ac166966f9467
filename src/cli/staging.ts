// A change of a plan that is too large for one call: the whole file becomes a version of the goal that is not active, which is
// compared with the active one, and committed if it is wanted. Not here: changes that one call takes, see patch.ts.
import { create } from "@bufbuild/protobuf";
import type { Constraints, Goal } from "../../gen/maestro/v1/goal_pb.ts";
import { ReplanGraphResponseSchema } from "../../gen/maestro/v1/maestro_service_pb.ts";
import type { ReplanGraphResponse } from "../../gen/maestro/v1/maestro_service_pb.ts";
import type { ServerClient } from "./client.ts";
import { CommandEnd, FAILED } from "./io.ts";
import type { Requests } from "./plan-file/requests.ts";
import { howToAnswer } from "./questions.ts";
import { refine } from "./refine.ts";

/** What one answer about a difference holds. */
const MOST_SHOWN = 1_000;

export interface NewLimits {
  readonly planId: string;
  readonly expectedActiveVersion: number;
  readonly reason: string;
  /** Left out when they stay. */
  readonly constraints?: Constraints;
}

export interface Staged {
  readonly seen: ReplanGraphResponse;
  readonly commit: () => Promise<ReplanGraphResponse>;
}

export async function stage(
  client: ServerClient,
  { goalId, planId, activeVersion }: Goal,
  requests: Requests,
  limits: NewLimits,
  signal: AbortSignal,
): Promise<Staged> {
  // Whether the plan takes a change at all, and these limits: a version of a plan that has ended would stay there for nothing.
  await client.maestro.replanGraph({ ...limits, dryRun: true }, { signal });
  const staged = await refine(client, goalId, requests, signal);
  const { summary, steps } = await client.maestro.diffGraphs(
    { goalId, fromVersion: activeVersion, toVersion: staged.version, pageSize: MOST_SHOWN },
    { signal },
  );
  const { plan } = await client.plans.getPlan({ planId }, { signal });
  const told = { ...(summary && { summary }), steps, ...(plan && { plan }) };

  const commit = async (): Promise<ReplanGraphResponse> => {
    let { version } = staged;
    let expectedActiveVersion = activeVersion;
    if (limits.constraints !== undefined) {
      // A version has the limits of its time: first they change, then the steps are put on the server anew.
      const idempotencyKey = client.newKey();
      const limited = await client.maestro.replanGraph({ ...limits, idempotencyKey }, { signal });
      if (limited.approvalId !== "") throw waits(limited.approvalId, planId, client.url);
      expectedActiveVersion = limited.version?.version ?? expectedActiveVersion;
      ({ version } = await refine(client, goalId, requests, signal));
    }
    const done = await client.maestro.commitGraph(
      { goalId, version, expectedActiveVersion, acceptLate: true, idempotencyKey: client.newKey() },
      { signal },
    );
    const { version: made } = await client.graphs.getGraph({ goalId, version }, { signal });
    return create(ReplanGraphResponseSchema, {
      ...told,
      approvalId: done.approvalId,
      ...(made && { version: made }),
      ...(done.plan && { plan: done.plan }),
    });
  };
  return { seen: create(ReplanGraphResponseSchema, told), commit };
}

function waits(approvalId: string, planId: string, url: string): CommandEnd {
  return new CommandEnd(
    FAILED,
    `maestro: the new limits of ${planId} wait for ratification: ${approvalId}; repeat this when they hold\n${howToAnswer(approvalId, url)}`,
  );
}
