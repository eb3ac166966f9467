// What handlers are built with, and how an rpc that is one operation becomes a route. Not here: which operation an rpc is.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethodUnary, Message, MessageShape } from "@bufbuild/protobuf";
import type { Dispatcher } from "../../dispatch/dispatcher.ts";
import { sha256 } from "../../domain/canonical.ts";
import type { Decision } from "../../domain/refusal.ts";
import type { AdmitCall, Together } from "../../engine/call.ts";
import type { ArtifactUse } from "../../operations/artifact-use.ts";
import type { Identify } from "../../engine/identify.ts";
import { alone } from "../../engine/operation.ts";
import type { GroupOperation, Operation, OperationSpec } from "../../engine/operation.ts";
import type { Pipeline } from "../../engine/pipeline.ts";
import type { Transfers } from "../../engine/transfers.ts";
import type { Clock } from "../../support/clock.ts";
import { MESSAGE_LIMIT_BYTES } from "../limits.ts";
import { noProblems } from "../mapping/problems.ts";
import type { Problems } from "../mapping/problems.ts";
import { methodSpec } from "../operation-table.ts";
import type { PageTokens, SortKey } from "../page-token.ts";
import { unary } from "../route.ts";
import type { CallInfo, Route } from "../route.ts";
import { validateInSlices } from "../validate.ts";
import type { Operations } from "./operations.ts";

export interface Kit {
  readonly pipeline: Pipeline;
  readonly operations: Operations;
  readonly dispatcher: Dispatcher;
  readonly artifacts: ArtifactUse;
  /** Streams hold the key that they came with, and end with it. */
  readonly keys: Pick<Identify, "hold">;
  readonly transfers: Pick<Transfers, "download" | "outgoing">;
  readonly tokens: PageTokens;
  /** Longest silence of an executor on a stream. */
  readonly silenceMs: number;
  readonly clock: Clock;
  /** Fires when the server goes down: streams that only listen end, and may be opened elsewhere. */
  readonly draining: AbortSignal;
}

export interface Page {
  readonly limit: number;
  readonly after: SortKey | null;
}

/** Entries of a page when the request does not say. */
const PAGE_SIZE = 100;
/** Most entries of a page; the contract says the same. */
const PAGE_LIMIT = 1_000;

/** Reads and writes the page token of one call. */
export interface Paging {
  readonly page: Page;
  next(after: SortKey | null): string;
}

export interface UnaryParts<I extends DescMessage, O extends DescMessage, Req, Res> {
  readonly operation: Operation<Req, Res>;
  /** The same for calls that may go together. */
  readonly together?: Together<Req, Res>;
  /** What it needs besides, when it is composed of other rpcs. */
  readonly also?: readonly OperationSpec[];
  /** A read whose statements all see one moment. */
  readonly oneMoment?: boolean;
  readonly request: (message: MessageShape<I>, problems: Problems, paging: Paging) => Req;
  readonly answer: (result: Res, message: MessageShape<I>, paging: Paging) => Fields<O>;
  readonly dryRun?: (message: MessageShape<I>) => boolean;
  /** Bytes of content that a request brings. */
  readonly contentBytes?: (message: MessageShape<I>) => number;
  /** What is kept of an answer for a repeat of the call; all of it unless given. */
  readonly keep?: (answer: MessageShape<O>) => MessageShape<O>;
}

/** The fields of a message, without its name. */
export type Fields<D extends DescMessage> = Omit<MessageShape<D>, "$typeName" | "$unknown">;

/** The parts of a route whose calls may go together. */
export function goingTogether<Req, Res>(
  operation: GroupOperation<Req, Res>,
  weight: (request: Req) => number = () => 1,
): Pick<UnaryParts<DescMessage, DescMessage, Req, Res>, "operation" | "together"> {
  return { operation: alone(operation), together: { operation, weight } };
}

/** A route that is one operation in one transaction. */
export function operationRoute<I extends DescMessage, O extends DescMessage, Req, Res>(
  kit: Kit,
  method: DescMethodUnary<I, O>,
  parts: UnaryParts<I, O, Req, Res>,
): Route {
  const own = methodSpec(method);
  const spec = parts.also === undefined ? own : { ...own, parts: [...own.parts, ...parts.also] };
  const paged = method.input.fields.some((field) => field.localName === "pageSize");
  const run = (message: MessageShape<I>, info: CallInfo, limit: number): Promise<Decision<MessageShape<O>>> => {
    const problems = noProblems();
    // Looked at when the engine decodes, and again when it answers.
    let paging: Paging = { page: { limit: PAGE_SIZE, after: null }, next: () => "" };
    return kit.pipeline.run<Req, Res, MessageShape<O>>({
      method: spec,
      ...callParts(method.input, message, info),
      decode: async () => {
        const valid = await validateInSlices(method.input, message);
        if (!valid.ok) return valid;
        paging = pagingOf(kit.tokens, method, message, problems, limit);
        return problems.judge(parts.request(message, problems, paging));
      },
      operation: parts.operation,
      ...(parts.together === undefined ? {} : { together: parts.together }),
      ...(parts.oneMoment === undefined ? {} : { oneMoment: parts.oneMoment }),
      traceparent: info.traceparent,
      signal: info.signal,
      ...(parts.contentBytes === undefined ? {} : { contentBytes: parts.contentBytes(message) }),
      dryRun: parts.dryRun?.(message) ?? false,
      bodyDigest: () => sha256(toBinary(method.input, { ...message, idempotencyKey: "" })),
      answer: (result) =>
        ({ $typeName: method.output.typeName, ...parts.answer(result, message, paging) }) as MessageShape<O>,
      encode: (answer) => toBinary(method.output, parts.keep?.(answer) ?? answer),
      read: (bytes) => fromBinary(method.output, bytes),
    });
  };
  if (!paged) return unary(method, (message, info) => run(message, info, 0));
  return unary(method, async (message, info) => {
    // A page of large entries may not fit into a message: a shorter one does, and its token leads on.
    for (let limit = PAGE_LIMIT; ;) {
      const answer = await run(message, info, limit);
      if (!answer.ok || limit === 1 || toBinary(method.output, answer.value).length <= MESSAGE_LIMIT_BYTES)
        return answer;
      limit = Math.max(1, Math.floor(Math.min(limit, sizeAsked(message)) / 4));
    }
  });
}

/** The parts of a call that every route reads alike. */
export function callParts<I extends DescMessage>(
  _schema: I,
  message: MessageShape<I>,
  info: CallInfo,
): Pick<AdmitCall<unknown>, "caller" | "keyHeader" | "keyField"> {
  const field: unknown = "idempotencyKey" in message ? message.idempotencyKey : "";
  return { caller: info.caller, keyHeader: info.key, keyField: typeof field === "string" ? field : "" };
}

function sizeAsked(message: Message): number {
  const size: unknown = "pageSize" in message ? message.pageSize : 0;
  return typeof size === "number" && size > 0 ? size : PAGE_SIZE;
}

function pagingOf<I extends DescMessage>(
  tokens: PageTokens,
  method: DescMethodUnary<I>,
  message: MessageShape<I>,
  problems: Problems,
  limit: number,
): Paging {
  const token: unknown = "pageToken" in message ? message.pageToken : "";
  // All other fields: filter, order, and whose list it is. Pages that are changed come each under a key of its own.
  const scope = (): readonly unknown[] => [
    method.parent.typeName,
    method.name,
    Buffer.from(toBinary(method.input, { ...message, pageSize: 0, pageToken: "", idempotencyKey: "" })).toString(
      "base64",
    ),
  ];
  const after = typeof token === "string" && token !== "" ? tokens.read(scope(), token) : null;
  if (after === undefined)
    problems.add("page_token", "is not a token of this list, or filter and order have changed", "page_token");
  return {
    page: { limit: Math.min(sizeAsked(message), limit), after: after ?? null },
    next: (next) => (next === null ? "" : tokens.write(scope(), next)),
  };
}
