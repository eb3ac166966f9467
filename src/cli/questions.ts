// Questions to approvers that a plan waits with: told once each, with how to answer. Not here: answering, see commands/decide.ts.
import type { Approval } from "../../gen/maestro/v1/approval_pb.ts";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import type { PlanEvent } from "../../gen/maestro/v1/plan_service_pb.ts";
import { StepState } from "../../gen/maestro/v1/step_pb.ts";
import type { ServerClient } from "./client.ts";
import { DEFAULT_SERVER } from "./context.ts";
import { mayPass } from "./follow.ts";
import { refusalOf } from "./refusal.ts";

const MOST = 100;

export class Questions {
  readonly #client: ServerClient;
  readonly #planId: string;
  readonly #signal: AbortSignal;
  readonly #told = new Set<string>();

  constructor(client: ServerClient, planId: string, signal: AbortSignal) {
    this.#client = client;
    this.#planId = planId;
    this.#signal = signal;
  }

  /** Lines for those that were not told before. Who may not read them is told nothing. */
  async news(): Promise<string[]> {
    let pending: readonly Approval[];
    try {
      const request = { planId: this.#planId, pendingOnly: true, pageSize: MOST };
      pending = (await this.#client.approvals.listApprovals(request, { signal: this.#signal })).approvals;
    } catch (error) {
      if (this.#signal.aborted || mayPass(error) || refusalOf(error) !== undefined) return [];
      throw error;
    }
    const fresh = pending.filter(({ approvalId }) => !this.#told.has(approvalId)).reverse();
    return fresh.flatMap(({ approvalId, question }) => {
      this.#told.add(approvalId);
      return [`waits for approval ${approvalId}: ${question}`, howToAnswer(approvalId, this.#client.url)];
    });
  }
}

/** Whether something begins to wait for an approver with it. */
export function mayAsk({ stepState, planState, changes }: PlanEvent): boolean {
  return (
    stepState === StepState.AWAITING_APPROVAL ||
    planState === PlanState.AWAITING_RATIFICATION ||
    changes.some(({ state }) => state === StepState.AWAITING_APPROVAL)
  );
}

export function howToAnswer(approvalId: string, url: string): string {
  const maestro = url === DEFAULT_SERVER ? "maestro" : `maestro --server ${url}`;
  return `  answer with: ${maestro} approve ${approvalId}, or ${maestro} reject ${approvalId}`;
}
