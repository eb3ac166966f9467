// What a listener mounts: one route per rpc, knowing nothing of the listener. Not here: what routes do, see handlers/.
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  Message,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Decision } from "../domain/refusal.ts";
import type { Caller } from "../engine/call.ts";

/** What a listener says of a call besides its messages. */
export interface CallInfo {
  readonly caller: Caller;
  /** `Idempotency-Key` header; empty for none. */
  readonly key: string;
  /** W3C traceparent; empty for none. */
  readonly traceparent: string;
  /** Fires when the caller is gone or its deadline has passed. */
  readonly signal: AbortSignal;
}

export type Route =
  | {
      readonly kind: "unary";
      readonly method: DescMethodUnary;
      readonly handle: (request: Message, info: CallInfo) => Promise<Decision<Message>>;
    }
  /** Streams throw RefusedError; whatever else they throw is a bug. */
  | {
      readonly kind: "server";
      readonly method: DescMethodServerStreaming;
      /** Its messages are large: the next one is asked for when the last one is on its way, so that none waits in memory. */
      readonly oneByOne?: boolean;
      /** Writes a message where the listener takes it from at once: until the next call. As the codec does unless given. */
      readonly encode?: (message: Message) => Uint8Array;
      readonly handle: (request: Message, info: CallInfo) => AsyncIterable<Message>;
    }
  | {
      readonly kind: "bidi";
      readonly method: DescMethodBiDiStreaming;
      readonly handle: (requests: AsyncIterable<Message>, info: CallInfo) => AsyncIterable<Message>;
    };

export function unary<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  handle: (request: MessageShape<I>, info: CallInfo) => Promise<Decision<MessageShape<O>>>,
): Route {
  return { kind: "unary", method, handle: (request, info) => handle(request as MessageShape<I>, info) };
}

export function server<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  handle: (request: MessageShape<I>, info: CallInfo) => AsyncIterable<MessageShape<O>>,
): Route {
  return { kind: "server", method, handle: (request, info) => handle(request as MessageShape<I>, info) };
}

/** As `server`, for messages of a size of which no two are to wait in memory. */
export function largeServer<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  handle: (request: MessageShape<I>, info: CallInfo) => AsyncIterable<MessageShape<O>>,
  encode: (message: MessageShape<O>) => Uint8Array,
): Route {
  return {
    kind: "server",
    method,
    oneByOne: true,
    encode: (message) => encode(message as MessageShape<O>),
    handle: (request, info) => handle(request as MessageShape<I>, info),
  };
}

export function bidi<I extends DescMessage, O extends DescMessage>(
  method: DescMethodBiDiStreaming<I, O>,
  handle: (requests: AsyncIterable<MessageShape<I>>, info: CallInfo) => AsyncIterable<MessageShape<O>>,
): Route {
  return { kind: "bidi", method, handle: (requests, info) => handle(requests as AsyncIterable<MessageShape<I>>, info) };
}
