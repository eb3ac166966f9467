// The executor's end of both push streams: the dispatcher's sink, turning what it is told into messages. Not here: what the executor says.
import type { AttachResponse, OutcomeAck, Stops, Goodbye } from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import type { Acknowledgement, Attachment, StopOrder, StreamSink } from "../../dispatch/dispatcher.ts";
import type { OrgId } from "../../domain/id.ts";
import type { Assignment } from "../../domain/outcome.ts";
import type { Payload } from "../../domain/payload.ts";
import type { Refusal } from "../../domain/refusal.ts";
import { assignmentToWire, leaseToWire, orgText, receiptToWire } from "../mapping/lease.ts";
import { idText } from "../mapping/problems.ts";
import { refusalToWire } from "../mapping/refusal.ts";
import { duration } from "../mapping/time.ts";
import { createOutbox } from "../outbox.ts";
import type { Outbox } from "../outbox.ts";

/** What the server says on a push stream; acknowledgements only where the executor may report on it. */
export type ExecutorMessage = Pick<AttachResponse, "message" | "acks">;

/** Assignments are cut into messages of this many bytes, well below what a message may have. */
const MESSAGE_BYTES = 3 * 1024 * 1024;

export interface ExecutorStream {
  readonly sink: StreamSink;
  readonly messages: Outbox<ExecutorMessage>;
}

export function executorStream(orgId: OrgId): ExecutorStream {
  const messages = createOutbox<ExecutorMessage>();
  const org = orgText(orgId);
  const sink: StreamSink = {
    send: (assignments, acks) => {
      const said = acks.map(ackToWire);
      const bytesOfAcks = acks.length * 256;
      if (assignments.length === 0) return messages.push({ message: { case: undefined }, acks: said }, bytesOfAcks);
      return parted(assignments).every(({ part, bytes }, i) => {
        const value = {
          $typeName: "maestro.v1.Assignments" as const,
          assignments: part.map((a) => assignmentToWire(a, org)),
        };
        const first = i === 0;
        return messages.push(
          { message: { case: "assignments", value }, acks: first ? said : [] },
          first ? bytes + bytesOfAcks : bytes,
        );
      });
    },
    sendStops: (stops) =>
      messages.push(
        alone({ case: "stops", value: { $typeName: "maestro.v1.Stops", stops: stops.map(stopToWire) } }),
        stops.length * 256,
      ),
    sendHeartbeat: () => messages.push(alone({ case: "heartbeat", value: { $typeName: "maestro.v1.Heartbeat" } })),
    end(refusal, reconnect) {
      if (refusal?.reason === "SLOW_READER") messages.clear();
      messages.push(alone({ case: "goodbye", value: goodbye(refusal, reconnect) }));
      messages.end();
    },
  };
  return { sink, messages };
}

export function welcome(attachment: Attachment, silenceMs: number): ExecutorMessage {
  const { executor, resumed, lost } = attachment;
  return alone({
    case: "welcome",
    value: {
      $typeName: "maestro.v1.Welcome",
      executorId: idText("executor", executor.executorId),
      resumed: resumed.map(leaseToWire),
      lost: lost.map(leaseToWire),
      silenceLimit: duration(silenceMs),
      orgId: orgText(executor.orgId),
    },
  });
}

function alone(message: ExecutorMessage["message"]): ExecutorMessage {
  return { message, acks: [] };
}

/** Assignments in parts that fit into messages. */
export function parted(
  assignments: readonly Assignment[],
): readonly { readonly part: readonly Assignment[]; readonly bytes: number }[] {
  const parts: { part: Assignment[]; bytes: number }[] = [];
  for (const assignment of assignments) {
    const bytes = sizeOf(assignment);
    const last = parts.at(-1);
    if (last !== undefined && last.bytes + bytes <= MESSAGE_BYTES) {
      last.part.push(assignment);
      last.bytes += bytes;
    } else {
      parts.push({ part: [assignment], bytes });
    }
  }
  return parts;
}

/** More than an assignment's message has: a character takes at most three bytes. */
function sizeOf({ input, checkpoint, lease }: Assignment): number {
  return 512 + 3 * (lease.step.length + payloadLength(input) + payloadLength(checkpoint));
}

function payloadLength(payload: Payload | null): number {
  if (payload === null) return 0;
  return payload.kind === "json"
    ? payload.text.length
    : payload.kind === "bytes"
      ? payload.data.length
      : payload.uri.length;
}

function ackToWire({ lease, result }: Acknowledgement): OutcomeAck {
  return {
    $typeName: "maestro.v1.OutcomeAck",
    lease: leaseToWire(lease),
    result: result.ok
      ? { case: "receipt", value: receiptToWire(result.value) }
      : { case: "refusal", value: refusalToWire(result.refusal) },
  };
}

function stopToWire({ lease, reason, outcomeWanted }: StopOrder): Stops["stops"][number] {
  return { $typeName: "maestro.v1.Stop", lease: leaseToWire(lease), reason, outcomeWanted };
}

function goodbye(refusal: Refusal | null, reconnect: boolean): Goodbye {
  return { $typeName: "maestro.v1.Goodbye", refusal: refusal === null ? undefined : refusalToWire(refusal), reconnect };
}
