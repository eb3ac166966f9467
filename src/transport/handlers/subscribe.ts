// DispatchService.Subscribe: assignments over a one-way stream, for browsers and simple clients. Outcomes come by call.
import { DispatchService, SubscribeRequestSchema } from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import type { SubscribeRequest, SubscribeResponse } from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import { RefusedError } from "../../domain/refusal.ts";
import { executorSpecIn } from "../mapping/executor.ts";
import { leasesIn } from "../mapping/lease.ts";
import { noProblems } from "../mapping/problems.ts";
import { methodSpec } from "../operation-table.ts";
import { server } from "../route.ts";
import type { CallInfo, Route } from "../route.ts";
import { validate } from "../validate.ts";
import { executorStream, welcome } from "./executor-stream.ts";
import type { Kit } from "./kit.ts";

const spec = methodSpec(DispatchService.method.subscribe);

export function subscribeRoute(kit: Kit): Route {
  return server(DispatchService.method.subscribe, (request, info) => subscribe(kit, request, info));
}

async function* subscribe(kit: Kit, request: SubscribeRequest, info: CallInfo): AsyncGenerator<SubscribeResponse> {
  const admitted = await kit.pipeline.admit({
    method: spec,
    caller: info.caller,
    keyHeader: "",
    keyField: "",
    decode: () => {
      const valid = validate(SubscribeRequestSchema, request);
      if (!valid.ok) return valid;
      const problems = noProblems();
      return problems.judge({
        spec: executorSpecIn(problems, "spec", request.spec),
        incarnation: request.incarnation,
        held: leasesIn(problems, "held", request.held),
        unsent: [],
      });
    },
  });
  if (!admitted.ok) throw new RefusedError(admitted.refusal);
  const { principal, request: hello, notes } = admitted.value;
  const stream = executorStream(principal.orgId);
  const attached = await kit.dispatcher.attach({ principal, stages: notes, ...hello }, stream.sink);
  if (!attached.ok) throw new RefusedError(attached.refusal);
  // Its end is the dispatcher's to tell; held here, an expiry is noticed for as long as the stream is open.
  const held = kit.keys.hold(principal);
  stream.messages.first(welcome(attached.value, kit.silenceMs));
  const gone = (): void => stream.messages.end();
  info.signal.addEventListener("abort", gone, { once: true });
  if (info.signal.aborted) gone();
  try {
    for await (const { message } of stream.messages) {
      // The stream itself is the sign of life: each message that its reader took is one.
      attached.value.heard();
      // Nobody reports on a stream that takes no outcomes.
      if (message.case !== undefined) yield { $typeName: "maestro.v1.SubscribeResponse", message };
    }
  } finally {
    info.signal.removeEventListener("abort", gone);
    held.release();
    attached.value.closed();
  }
}
