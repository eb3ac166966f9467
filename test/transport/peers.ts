// The other ends of streams, for tests: an executor that says what it is told to, and readers. Not here: expectations.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import type { Assignment } from "../../gen/maestro/v1/dispatch_pb.ts";
import { DispatchService } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import type { AttachRequestSchema, AttachResponse, OutcomeAck } from "../../gen/maestro/v1/dispatch_service_pb.ts";

type Request = MessageInitShape<typeof AttachRequestSchema>["message"];

type Heard = { readonly [M in AttachResponse["message"] as M["case"] & string]: NonNullable<M["value"]> };

function endedBefore(what: string): Error {
  return new Error(`the stream ended before ${what}`);
}

/** An executor's stream, with what it says as a queue and what it hears as an iterator. */
export function attach(transport: Transport) {
  const waiting: Request[] = [];
  let wake: (() => void) | undefined;
  let ended = false;
  let number = 0n;
  const requests = async function* () {
    for (;;) {
      const message = waiting.shift();
      if (message !== undefined) yield { number: (number += 1n), message };
      else if (ended) return;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  const answers = createClient(DispatchService, transport).attach(requests())[Symbol.asyncIterator]();
  const unheard: OutcomeAck[] = [];
  const next = async (): Promise<AttachResponse | undefined> => {
    const answer = await answers.next();
    if (answer.done === true) return undefined;
    unheard.push(...answer.value.acks);
    return answer.value;
  };
  return {
    say(message: Request): void {
      waiting.push(message);
      wake?.();
    },
    end(): void {
      ended = true;
      wake?.();
    },
    /** The next message of a kind; others are passed over. */
    async hear<C extends keyof Heard>(kind: C): Promise<Heard[C]> {
      for (let answer = await next(); answer !== undefined; answer = await next())
        if (answer.message.case === kind) return answer.message.value as Heard[C];
      throw endedBefore(kind);
    },
    /** Acknowledgements that nobody heard yet, whatever they came beside. */
    async acks(): Promise<readonly OutcomeAck[]> {
      while (unheard.length === 0) if ((await next()) === undefined) throw endedBefore("an acknowledgement");
      return unheard.splice(0);
    },
    next,
  };
}

export function success(assignment: Assignment | undefined, json = "{}") {
  if (assignment?.lease === undefined) throw new Error("an assignment without a lease");
  return {
    lease: assignment.lease,
    result: { case: "success" as const, value: { outputs: { value: { case: "json" as const, value: json } } } },
  };
}

export async function all<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const seen: T[] = [];
  for await (const message of stream) seen.push(message);
  return seen;
}
