// A native gRPC client on the generated messages: what load, benchmark and fault tests speak to the fast lane with. Not here: what is said.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { AttachRequestSchema, AttachResponseSchema } from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import type { AttachRequest, AttachResponse } from "../../../gen/maestro/v1/dispatch_service_pb.ts";

export type AttachCall = ClientDuplexStream<AttachRequest, AttachResponse>;

export interface NativeClient {
  /** Rejects with grpc-js's ServiceError. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: { readonly deadlineMs?: number },
  ): Promise<MessageShape<O>>;
  /** Reads a stream to its end. Rejects with grpc-js's ServiceError. */
  read<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    take: (message: MessageShape<O>) => void,
  ): Promise<void>;
  attach(): AttachCall;
  close(): void;
}

/** `target` is `host:port`; without a key the caller is who the server takes for local. */
export function nativeClient(target: string, apiKey: string | undefined): NativeClient {
  const client = new Client(target, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
    // Servers are killed and come back within a second; the default backs off for up to two minutes.
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 250,
    "grpc.max_receive_message_length": 64 * 1024 * 1024,
  });
  const metadata = new Metadata();
  if (apiKey !== undefined) metadata.set("authorization", `Bearer ${apiKey}`);
  return {
    call: (method, request, options) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          `/${method.parent.typeName}/${method.name}`,
          (message: MessageShape<typeof method.input>) => Buffer.from(toBinary(method.input, message)),
          (bytes: Buffer) => fromBinary(method.output, bytes),
          create(method.input, request),
          metadata,
          { deadline: Date.now() + (options?.deadlineMs ?? 60_000) },
          (error, value) => {
            if (error !== null) reject(error);
            else if (value === undefined) reject(new Error(`${method.name} answered nothing`));
            else resolve(value);
          },
        );
      }),
    read: (method, request, take) =>
      new Promise((resolve, reject) => {
        client
          .makeServerStreamRequest(
            `/${method.parent.typeName}/${method.name}`,
            (message: MessageShape<typeof method.input>) => Buffer.from(toBinary(method.input, message)),
            (bytes: Buffer) => fromBinary(method.output, bytes),
            create(method.input, request),
            metadata,
          )
          .on("data", take)
          .on("error", reject)
          .on("end", resolve);
      }),
    attach: () =>
      client.makeBidiStreamRequest(
        "/maestro.v1.DispatchService/Attach",
        (message: AttachRequest) => Buffer.from(toBinary(AttachRequestSchema, message)),
        (bytes: Buffer) => fromBinary(AttachResponseSchema, bytes),
        metadata,
      ),
    close: () => {
      client.close();
    },
  };
}

/** The wire code of a failed call, -1 when it is none. */
export function codeOf(error: unknown): number {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : -1;
}
