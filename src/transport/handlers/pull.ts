// Executors that call instead of holding a stream: DispatchNext, ReportOutcome, RenewLeases. Effects and records are the dispatcher's batches'.
import { toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { DispatchService, RenewLeasesRequestSchema } from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import {
  DispatchNextRequestSchema,
  MaestroService,
  ReportOutcomeRequestSchema,
} from "../../../gen/maestro/v1/maestro_service_pb.ts";
import type { OutcomeResult } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import type { Assignment, Receipt } from "../../domain/outcome.ts";
import { NOTHING } from "../../domain/amounts.ts";
import { sha256, sha256Hex } from "../../domain/canonical.ts";
import type { ExecutorId } from "../../domain/id.ts";
import type { Principal } from "../../domain/principal.ts";
import { KEY_ENDED } from "../../engine/identify.ts";
import type { Reporter } from "../../dispatch/dispatcher.ts";
import { decided } from "../../domain/refusal.ts";
import type { Decision } from "../../domain/refusal.ts";
import { assignmentToWire, leaseToWire, orgText, outcomesIn, receiptToWire, renewalsIn } from "../mapping/lease.ts";
import { idIn, noProblems } from "../mapping/problems.ts";
import { refusalToWire } from "../mapping/refusal.ts";
import { durationMs } from "../mapping/time.ts";
import { methodSpec } from "../operation-table.ts";
import { unary } from "../route.ts";
import type { CallInfo, Route } from "../route.ts";
import { RENEWALS_EACH, validate, validateInSlices } from "../validate.ts";
import { parted } from "./executor-stream.ts";
import { callParts } from "./kit.ts";
import type { Kit } from "./kit.ts";

/** Life of a lease that calls keep alive, unless the caller says. */
const LEASE_MS = 60_000;

export function pullRoutes(kit: Kit): readonly Route[] {
  return [dispatchNextRoute(kit), reportOutcomeRoute(kit), renewLeasesRoute(kit)];
}

function dispatchNextRoute(kit: Kit): Route {
  const method = MaestroService.method.dispatchNext;
  const spec = methodSpec(method);
  return unary(method, async (message, info) => {
    const admitted = await kit.pipeline.admit({
      method: spec,
      ...callParts(DispatchNextRequestSchema, message, info),
      decode: () => {
        const valid = validate(DispatchNextRequestSchema, message);
        if (!valid.ok) return valid;
        const problems = noProblems();
        return problems.judge({
          executorId: idIn(problems, "executor_id", "executor", message.executorId),
          max: message.maxSteps,
          waitMs: message.wait === undefined ? 0 : durationMs(message.wait),
          capabilities: message.capabilities,
          leaseMs: message.lease === undefined ? LEASE_MS : durationMs(message.lease),
        });
      },
    });
    if (!admitted.ok) return admitted;
    const { principal, request, key, notes } = admitted.value;
    return kit.pipeline.trouble(async () => {
      const idempotency = key === "" ? null : { key, bodyDigest: digestOf(DispatchNextRequestSchema, message) };
      const next = await untilKeyEnds(kit, principal, request.waitMs, info.signal, (signal) =>
        kit.dispatcher.next({ principal, ...request, idempotency }, signal),
      );
      if (!next.ok) return next;
      const fitting = await keepFitting(kit, { principal, stages: notes }, request.executorId, next.value, info.signal);
      const org = orgText(principal.orgId);
      return decided({
        $typeName: "maestro.v1.DispatchNextResponse" as const,
        assignments: fitting.map((a) => assignmentToWire(a, org)),
      });
    });
  });
}

/** A call that waits does not outlive its key either; what it was given meanwhile is its own. */
async function untilKeyEnds(
  kit: Kit,
  principal: Principal,
  waitMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Decision<readonly Assignment[]>>,
): Promise<Decision<readonly Assignment[]>> {
  if (waitMs === 0 || principal.keyId === null) return work(signal);
  const held = kit.keys.hold(principal);
  try {
    const done = await work(AbortSignal.any([signal, held.ended]));
    return held.ended.aborted && done.ok && done.value.length === 0 ? { ok: false, refusal: KEY_ENDED } : done;
  } finally {
    held.release();
  }
}

/** What tells a repeat of a call from another one under the same key. */
function digestOf<D extends DescMessage>(schema: D, message: MessageShape<D>): Uint8Array {
  return sha256(toBinary(schema, { ...message, idempotencyKey: "" }));
}

/** One answer is one message: what does not fit into it is given back, and is ready again. */
async function keepFitting(
  kit: Kit,
  by: Reporter,
  executorId: ExecutorId,
  assignments: readonly Assignment[],
  signal: AbortSignal,
): Promise<readonly Assignment[]> {
  const [fitting, ...rest] = parted(assignments);
  const over = rest.flatMap(({ part }) => part);
  if (over.length > 0) {
    const message = "did not fit into the answer";
    const outcomes = over.map(({ lease }) => ({
      lease,
      result: { kind: "returned" as const, message },
      usage: NOTHING,
      artifacts: [],
      bodyDigest: sha256Hex(`${message} ${lease.planId}/${lease.ordinal}/${lease.fencing}`),
      logTail: "",
    }));
    await kit.dispatcher.report(by, executorId, outcomes, null, signal);
  }
  return fitting?.part ?? [];
}

function reportOutcomeRoute(kit: Kit): Route {
  const method = MaestroService.method.reportOutcome;
  const spec = methodSpec(method);
  return unary(method, async (message, info) => {
    const admitted = await kit.pipeline.admit({
      method: spec,
      ...callParts(ReportOutcomeRequestSchema, message, info),
      decode: async () => {
        const valid = await validateInSlices(ReportOutcomeRequestSchema, message);
        if (!valid.ok) return valid;
        const problems = noProblems();
        return problems.judge({
          executorId: idIn(problems, "executor_id", "executor", message.executorId),
          outcomes: outcomesIn(problems, "outcomes", message.outcomes),
        });
      },
    });
    if (!admitted.ok) return admitted;
    const { principal, request, key, notes } = admitted.value;
    return kit.pipeline.trouble(async () => {
      const idempotency = key === "" ? null : { key, bodyDigest: digestOf(ReportOutcomeRequestSchema, message) };
      const results = await kit.dispatcher.report(
        { principal, stages: notes },
        request.executorId,
        await kit.artifacts.judge(principal.orgId, request.outcomes),
        idempotency,
        info.signal,
      );
      if (!results.ok) return results;
      return decided({
        $typeName: "maestro.v1.ReportOutcomeResponse" as const,
        results: results.value.map(resultToWire),
      });
    });
  });
}

function resultToWire(result: Decision<Receipt>): OutcomeResult {
  return {
    $typeName: "maestro.v1.OutcomeResult",
    result: result.ok
      ? { case: "receipt", value: receiptToWire(result.value) }
      : { case: "refusal", value: refusalToWire(result.refusal) },
  };
}

function renewLeasesRoute(kit: Kit): Route {
  const method = DispatchService.method.renewLeases;
  const spec = methodSpec(method);
  return unary(method, async (message, info: CallInfo) => {
    const admitted = await kit.pipeline.admit({
      method: spec,
      ...callParts(RenewLeasesRequestSchema, message, info),
      decode: async () => {
        const valid = await validateInSlices(RenewLeasesRequestSchema, message, { size: RENEWALS_EACH });
        if (!valid.ok) return valid;
        const problems = noProblems();
        return problems.judge({
          executorId: idIn(problems, "executor_id", "executor", message.executorId),
          renewals: renewalsIn(problems, "renewals", message.renewals, kit.clock.nowMs()),
          leaseMs: message.lease === undefined ? LEASE_MS : durationMs(message.lease),
        });
      },
    });
    if (!admitted.ok) return admitted;
    const { principal, request } = admitted.value;
    return kit.pipeline.trouble(async () => {
      const renewed = await kit.dispatcher.renew(
        principal,
        request.executorId,
        request.renewals,
        request.leaseMs,
        info.signal,
      );
      if (!renewed.ok) return renewed;
      const { value } = renewed;
      return decided({
        $typeName: "maestro.v1.RenewLeasesResponse" as const,
        renewed: value.renewed.map(leaseToWire),
        lost: value.lost.map(leaseToWire),
        stopping: value.stopping.map(leaseToWire),
      });
    });
  });
}
