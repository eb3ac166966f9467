// A foreign peer for the executor library: the far end of Attach on grpc-js, as the contract describes it, steered by a test.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { AssignmentSchema, LeaseSchema, Purpose } from "../../gen/maestro/v1/dispatch_pb.ts";
import type { Assignment, Lease, Outcome, Renewal } from "../../gen/maestro/v1/dispatch_pb.ts";
import { PayloadSchema } from "../../gen/maestro/v1/payload_pb.ts";
import { AttachRequestSchema, AttachResponseSchema } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import type {
  AttachRequest,
  AttachResponse,
  Hello,
  OutcomeAckSchema,
} from "../../gen/maestro/v1/dispatch_service_pb.ts";

type Call = ServerDuplexStream<AttachRequest, AttachResponse>;
type Said = MessageInitShape<typeof AttachResponseSchema>["message"];

/** One stream as the peer sees it. */
export class PeerStream {
  readonly received: AttachRequest[] = [];
  readonly #call: Call;
  readonly #waiting = new Set<() => void>();
  #ended = false;

  constructor(call: Call) {
    this.#call = call;
    const changed = (): void => this.#waiting.forEach((check) => check());
    call.on("data", (message: AttachRequest) => {
      this.received.push(message);
      changed();
    });
    const over = (): void => {
      this.#ended = true;
      changed();
    };
    call.on("end", over);
    call.on("cancelled", over);
    call.on("error", over);
  }

  get ended(): boolean {
    return this.#ended;
  }

  get hello(): Hello {
    const message = this.received[0]?.message;
    if (message?.case !== "hello") throw new Error("no hello was first");
    return message.value;
  }

  get outcomes(): Outcome[] {
    return this.received.flatMap(({ message }) => (message.case === "outcomes" ? message.value.outcomes : []));
  }

  get renewals(): Renewal[] {
    return this.received.flatMap(({ message }) => (message.case === "renewals" ? message.value.renewals : []));
  }

  /** Resolves once the condition holds; it is looked at after every message. */
  until(condition: (stream: this) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition(this)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  say(message: Said, acks: MessageInitShape<typeof OutcomeAckSchema>[] = []): void {
    const acknowledged = this.received.at(-1)?.number ?? 0n;
    this.#call.write(create(AttachResponseSchema, { acknowledged, acks, message: message ?? { case: undefined } }));
  }

  welcome(silenceMs = 10_000, lost: Lease[] = []): void {
    const silenceLimit = { seconds: BigInt(Math.floor(silenceMs / 1000)), nanos: (silenceMs % 1000) * 1_000_000 };
    this.say({
      case: "welcome",
      value: { executorId: "exec_1", orgId: "org_1", silenceLimit, lost, resumed: this.hello.held },
    });
  }

  assign(...assignments: Assignment[]): void {
    this.say({ case: "assignments", value: { assignments } });
  }

  acknowledge(...leases: (Lease | undefined)[]): void {
    const acks = leases.map((lease) => ({
      lease: lease!,
      result: { case: "receipt" as const, value: { lease: lease! } },
    }));
    this.say(undefined, acks);
  }

  goodbye(): void {
    this.say({ case: "goodbye", value: {} });
    this.#call.end();
  }

  break(): void {
    this.#call.emit("error", { code: status.UNAVAILABLE, details: "the stream broke" });
  }
}

export class Peer {
  readonly streams: PeerStream[] = [];
  readonly url: string;
  /** When set, streams end with this code instead of being listened to. */
  refuseWith: number | undefined;
  readonly keys: (string | undefined)[] = [];
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(): Promise<Peer> {
    const server = new Server();
    const onCall = { of: (_call: Call): void => undefined };
    server.addService(
      {
        attach: {
          path: "/maestro.v1.DispatchService/Attach",
          requestStream: true,
          responseStream: true,
          requestSerialize: (message: AttachRequest) => Buffer.from(toBinary(AttachRequestSchema, message)),
          requestDeserialize: (bytes: Buffer) => fromBinary(AttachRequestSchema, bytes),
          responseSerialize: (message: AttachResponse) => Buffer.from(toBinary(AttachResponseSchema, message)),
          responseDeserialize: (bytes: Buffer) => fromBinary(AttachResponseSchema, bytes),
        },
      },
      { attach: (call: Call) => onCall.of(call) },
    );
    const bound = Promise.withResolvers<number>();
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error ? bound.reject(error) : bound.resolve(port),
    );
    const peer = new Peer(server, await bound.promise);
    onCall.of = (call) => peer.#attached(call);
    return peer;
  }

  /** The n-th stream, counted from 0, once its hello is there. */
  async stream(index: number): Promise<PeerStream> {
    for (;;) {
      const stream = this.streams[index];
      if (stream !== undefined) {
        await stream.until(({ received }) => received.length > 0);
        return stream;
      }
      await new Promise<void>((resolve) => {
        const check = (): void => {
          this.#waiting.delete(check);
          resolve();
        };
        this.#waiting.add(check);
      });
    }
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #attached(call: Call): void {
    this.keys.push(call.metadata.get("authorization")[0]?.toString());
    if (this.refuseWith !== undefined) {
      call.emit("error", { code: this.refuseWith, details: "no" });
      return;
    }
    this.streams.push(new PeerStream(call));
    this.#waiting.forEach((check) => check());
  }
}

/** An assignment of capability `work`. */
export function assignment(step: string, parts: Partial<Omit<Assignment, "$typeName" | "$unknown">> = {}): Assignment {
  return create(AssignmentSchema, {
    lease: create(LeaseSchema, { planId: "plan_1", step, ordinal: 1 + step.charCodeAt(0), fencing: 7n }),
    purpose: Purpose.EXECUTE,
    capability: "work",
    attempt: 1,
    input: create(PayloadSchema, { value: { case: "json", value: `{"step":"${step}"}` } }),
    idempotencyKey: `key-${step}`,
    orgId: "org_1",
    ...parts,
  });
}
