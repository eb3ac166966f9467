// Calls to the server besides the stream, with our generated messages over native gRPC. Not here: when one is tried again.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Client, Metadata } from "@grpc/grpc-js";
import { bearerOf } from "./bearer.ts";
import type { Address } from "./wire.ts";
import { credentialsFor } from "./wire.ts";

/** How long a call, or a stream's next message, may take. What was cut off goes on where it was when it is asked for again. */
const SILENCE_MS = 60_000;

export class Calls {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(address: Address, apiKey: string | undefined) {
    this.#client = new Client(address.target, credentialsFor(address), {
      "grpc.use_local_subchannel_pool": 1,
      // The caller waits before it tries again; the channel's own wait would come on top.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
      ...(address.loopback && { "grpc.enable_http_proxy": 0 }),
    });
    if (apiKey !== undefined) this.#metadata.set("authorization", bearerOf(apiKey));
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    signal: AbortSignal,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return void reject(signal.reason as Error);
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        serializer(method.input),
        deserializer(method.output),
        create(method.input, request),
        this.#metadata,
        (error, answer) => {
          clearTimeout(timer);
          signal.removeEventListener("abort", cancel);
          if (answer !== undefined) resolve(answer);
          else reject(signal.aborted ? (signal.reason as Error) : (error ?? new Error("no answer")));
        },
      );
      const cancel = (): void => call.cancel();
      const timer = setTimeout(cancel, SILENCE_MS);
      signal.addEventListener("abort", cancel, { once: true });
    });
  }

  /** Messages are read no faster than they are taken; leaving early ends the call. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    signal: AbortSignal,
  ): AsyncGenerator<MessageShape<O>> {
    signal.throwIfAborted();
    const call = this.#client.makeServerStreamRequest(
      pathOf(method),
      serializer(method.input),
      deserializer(method.output),
      create(method.input, request),
      this.#metadata,
    );
    const cancel = (): void => call.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    // A call that is left early ends with an error that nobody waits for.
    call.on("error", () => undefined);
    try {
      const messages = (call as AsyncIterable<MessageShape<O>>)[Symbol.asyncIterator]();
      for (;;) {
        const timer = setTimeout(cancel, SILENCE_MS);
        const next = await messages.next().finally(() => clearTimeout(timer));
        if (next.done === true) return;
        yield next.value;
      }
    } catch (error) {
      throw signal.aborted ? (signal.reason as Error) : error;
    } finally {
      signal.removeEventListener("abort", cancel);
      call.cancel();
    }
  }

  close(): void {
    this.#client.close();
  }
}

function pathOf(method: DescMethodUnary | DescMethodServerStreaming): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function serializer<I extends DescMessage>(schema: I): (message: MessageShape<I>) => Buffer {
  return (message) => Buffer.from(toBinary(schema, message));
}

function deserializer<O extends DescMessage>(schema: O): (bytes: Buffer) => MessageShape<O> {
  return (bytes) => fromBinary(schema, bytes);
}
