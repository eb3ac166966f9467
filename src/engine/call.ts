// What a surface hands to the engine: a call as plain values. Not here: wire formats, which stay with the surface.
import type { Principal } from "../domain/principal.ts";
import type { StageNotes } from "../domain/record.ts";
import type { Decision } from "../domain/refusal.ts";
import type { GroupOperation, MethodSpec, Operation } from "./operation.ts";

/** What is known of a caller before it is identified. */
export interface Caller {
  /** Value of the Authorization header; empty for none. */
  readonly authorization: string;
  /** Address of the other end, without its port. */
  readonly address: string;
  /** The call came through a proxy, so the address is the proxy's. */
  readonly forwarded: boolean;
}

/** What every call has, whichever stages it goes through. */
export interface AdmitCall<Req> {
  readonly method: MethodSpec;
  readonly caller: Caller;
  /** Stage 1: the surface's own reading of the message: its size, its shape, and its values in our words. */
  readonly decode: () => Decision<Req> | Promise<Decision<Req>>;
  /** `Idempotency-Key` header; empty for none. */
  readonly keyHeader: string;
  /** Field of the message; empty for none. */
  readonly keyField: string;
}

/** A call that is carried out in one transaction. */
export interface EngineCall<Req, Res, Answer> extends AdmitCall<Req> {
  readonly operation: Operation<Req, Res>;
  /** The same for calls that may go together; absent for those that go each by itself. */
  readonly together?: Together<Req, Res>;
  /** A read whose statements all see one moment. */
  readonly oneMoment?: boolean;
  readonly traceparent: string;
  readonly signal: AbortSignal;
  /** Bytes of content that it brings; they count among those that are under way at once. */
  readonly contentBytes?: number;
  /** A dry run stores neither its key nor its answer. */
  readonly dryRun: boolean;
  /** SHA-256 of the message without its idempotency key. */
  readonly bodyDigest: () => Uint8Array;
  readonly answer: (result: Res) => Answer;
  /** An answer as bytes, kept under the idempotency key, and back. */
  readonly encode: (answer: Answer) => Uint8Array;
  readonly read: (bytes: Uint8Array) => Answer;
}

/** How calls of an operation go together. */
export interface Together<Req, Res> {
  readonly operation: GroupOperation<Req, Res>;
  /** Characters, or thereabouts, that a request brings: groups are bounded by them. */
  readonly weight: (request: Req) => number;
}

/** A call that may go on to its operation. */
export interface Admitted<Req> {
  readonly principal: Principal;
  readonly request: Req;
  /** The idempotency key, from header or field; empty for none. */
  readonly key: string;
  readonly notes: StageNotes;
}
