// DispatchService.Attach: the bidirectional stream of an executor. Not here: what the dispatcher makes of it.
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  AttachRequestSchema,
  DispatchService,
  HelloSchema,
  OutcomesSchema,
  RenewalsSchema,
} from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import type { AttachRequest, AttachResponse, OutcomeAck } from "../../../gen/maestro/v1/dispatch_service_pb.ts";
import { OutcomeSchema } from "../../../gen/maestro/v1/dispatch_pb.ts";
import type { Outcome as WireOutcome } from "../../../gen/maestro/v1/dispatch_pb.ts";
import type { Attachment, Hello } from "../../dispatch/dispatcher.ts";
import type { OrgId } from "../../domain/id.ts";
import type { Outcome } from "../../domain/outcome.ts";
import { RefusedError, decided, invalid } from "../../domain/refusal.ts";
import type { Decision, Refusal } from "../../domain/refusal.ts";
import { executorSpecIn } from "../mapping/executor.ts";
import { leaseToWire, leasesIn, outcomesIn, renewalsIn } from "../mapping/lease.ts";
import { noProblems } from "../mapping/problems.ts";
import { refusalToWire } from "../mapping/refusal.ts";
import { methodSpec } from "../operation-table.ts";
import { bidi } from "../route.ts";
import type { CallInfo, Route } from "../route.ts";
import { countOf } from "../texts.ts";
import { RENEWALS_EACH, validate, validateInSlices } from "../validate.ts";
import { executorStream, welcome } from "./executor-stream.ts";
import type { ExecutorStream } from "./executor-stream.ts";
import type { Kit } from "./kit.ts";

const spec = methodSpec(DispatchService.method.attach);
/** Outcomes that are judged in one turn of the event loop; an executor with that many slots is rare. */
const OUTCOMES_AT_ONCE = 256;

export function attachRoute(kit: Kit): Route {
  return bidi(DispatchService.method.attach, (requests, info) => attach(kit, requests, info));
}

interface Opening {
  readonly hello: Omit<Hello, "principal" | "stages">;
  readonly bad: readonly OutcomeAck[];
}

async function* attach(
  kit: Kit,
  requests: AsyncIterable<AttachRequest>,
  info: CallInfo,
): AsyncGenerator<AttachResponse> {
  const incoming = requests[Symbol.asyncIterator]();
  const opening = await incoming.next();
  const admitted = await kit.pipeline.admit<Opening>({
    method: spec,
    caller: info.caller,
    keyHeader: "",
    keyField: "",
    decode: () => openingOf(opening.done === true ? undefined : opening.value),
  });
  if (!admitted.ok) throw new RefusedError(admitted.refusal);
  const { principal, request, notes } = admitted.value;
  const stream = executorStream(principal.orgId);
  const unsent = await judged(kit, principal.orgId, request.hello.unsent);
  // Without them their leases would count as given up: rather none of the hello.
  if (!unsent.ok) throw new RefusedError(unsent.refusal);
  const hello = { principal, stages: notes, ...request.hello, unsent: unsent.value };
  const attached = await kit.dispatcher.attach(hello, stream.sink);
  if (!attached.ok) throw new RefusedError(attached.refusal);
  const attachment = attached.value;
  // Its end is the dispatcher's to tell; held here, an expiry is noticed for as long as the stream is open.
  const held = kit.keys.hold(principal);
  stream.messages.first(welcome(attachment, kit.silenceMs));
  refuseOutcomes(stream, request.bad);

  const state = { handled: 1 };
  const gone = (): void => stream.messages.end();
  info.signal.addEventListener("abort", gone, { once: true });
  if (info.signal.aborted) gone();
  void listen(kit, incoming, attachment, stream, state);
  try {
    for await (const { message, acks } of stream.messages)
      yield { $typeName: "maestro.v1.AttachResponse", message, acks, acknowledged: BigInt(state.handled) };
  } finally {
    info.signal.removeEventListener("abort", gone);
    held.release();
    attachment.closed();
  }
}

/** Takes the executor's messages, one after the other, until it ends the stream or says something that cannot be. */
async function listen(
  kit: Kit,
  incoming: AsyncIterator<AttachRequest>,
  attachment: Attachment,
  stream: ExecutorStream,
  state: { handled: number },
): Promise<void> {
  try {
    for (let next = await incoming.next(); next.done !== true; next = await incoming.next()) {
      attachment.heard();
      const trouble = await take(kit, next.value, attachment, stream, state.handled + 1);
      if (trouble !== null) {
        stream.sink.end(trouble, false);
        return;
      }
      state.handled += 1;
    }
    stream.messages.end();
  } catch (error) {
    if (error instanceof RefusedError) stream.sink.end(error.refusal, false);
    // Otherwise the stream broke; the dispatcher hears of it when the sending side ends.
    else stream.messages.end();
  }
}

async function take(
  kit: Kit,
  request: AttachRequest,
  attachment: Attachment,
  stream: ExecutorStream,
  number: number,
): Promise<Refusal | null> {
  if (request.number !== BigInt(number))
    return invalid({ field: "number", description: `must be ${number}`, rule: "attach.number" }).refusal;
  const { message } = request;
  if (message.case === "outcomes") {
    const { outcomes } = message.value;
    const many = countOf(OutcomesSchema.field.outcomes, outcomes);
    if (many.length > 0) return invalid(...many.map((v) => ({ ...v, field: `outcomes.${v.field}` }))).refusal;
    const { good, bad } = await outcomesOf(request, outcomes, "outcomes.outcomes");
    refuseOutcomes(stream, bad);
    const counting = await judged(kit, attachment.executor.orgId, good);
    if (!counting.ok)
      refuseOutcomes(
        stream,
        good.map(({ lease }) => refusedAck(leaseToWire(lease), counting.refusal)),
      );
    else if (counting.value.length > 0) await attachment.outcomes(counting.value);
    return null;
  }
  const valid =
    message.case === "renewals"
      ? await validateInSlices(RenewalsSchema, message.value, { within: "renewals.", size: RENEWALS_EACH })
      : validate(AttachRequestSchema, request);
  if (!valid.ok) return valid.refusal;
  switch (message.case) {
    case "renewals": {
      const problems = noProblems();
      const renewals = problems.judge(
        renewalsIn(problems, "renewals.renewals", message.value.renewals, kit.clock.nowMs()),
      );
      if (!renewals.ok) return renewals.refusal;
      attachment.renewals(renewals.value);
      return null;
    }
    case "slots":
      attachment.slots(message.value.slots);
      return null;
    case "drain":
      attachment.drain();
      return null;
    case "hello":
    case undefined:
      return invalid({ field: "hello", description: "may only come first", rule: "attach.hello" }).refusal;
  }
}

async function openingOf(request: AttachRequest | undefined): Promise<Decision<Opening>> {
  if (request?.message.case !== "hello")
    return invalid({ field: "hello", description: "must come first", rule: "attach.hello" });
  if (request.number !== 1n) return invalid({ field: "number", description: "must be 1", rule: "attach.number" });
  const hello = request.message.value;
  // Without what it did not get rid of: an outcome that cannot be read must not keep an executor out for ever.
  const valid = validate(AttachRequestSchema, {
    ...request,
    message: { case: "hello", value: { ...hello, unsent: [] } },
  });
  if (!valid.ok) return valid;
  const problems = noProblems();
  const many = countOf(HelloSchema.field.unsent, hello.unsent);
  if (many.length > 0) return invalid(...many.map((v) => ({ ...v, field: `hello.${v.field}` })));
  const { good, bad } = await outcomesOf(undefined, hello.unsent, "hello.unsent");
  const parts = {
    spec: executorSpecIn(problems, "hello.spec", hello.spec),
    incarnation: hello.incarnation,
    held: leasesIn(problems, "hello.held", hello.held),
    unsent: good,
  };
  return problems.judge({ hello: parts, bad });
}

/** Outcomes that can be read, and acknowledgements that refuse the others one by one. The whole is judged first: usually all of it is good. */
async function outcomesOf(
  request: AttachRequest | undefined,
  wires: readonly WireOutcome[],
  field: string,
): Promise<{ readonly good: readonly Outcome[]; readonly bad: readonly OutcomeAck[] }> {
  if (request !== undefined && wires.length <= OUTCOMES_AT_ONCE && validate(AttachRequestSchema, request).ok) {
    const problems = noProblems();
    const outcomes = problems.judge(outcomesIn(problems, field, wires));
    if (outcomes.ok) return { good: outcomes.value, bad: [] };
  }
  const good: Outcome[] = [];
  const bad: OutcomeAck[] = [];
  for (const [i, wire] of wires.entries()) {
    if (i % OUTCOMES_AT_ONCE === OUTCOMES_AT_ONCE - 1) await nextTurn();
    const valid = validate(OutcomeSchema, wire);
    const problems = noProblems();
    const outcomes: Decision<readonly Outcome[]> = valid.ok
      ? problems.judge(outcomesIn(problems, field, [wire]))
      : valid;
    if (outcomes.ok) good.push(...outcomes.value);
    else bad.push(refusedAck(wire.lease, outcomes.refusal));
  }
  return { good, bad };
}

/** The outcomes as they count, see ArtifactUse. */
function judged(kit: Kit, orgId: OrgId, outcomes: readonly Outcome[]): Promise<Decision<readonly Outcome[]>> {
  return kit.pipeline.trouble(async () => decided(await kit.artifacts.judge(orgId, outcomes)));
}

function refusedAck(lease: OutcomeAck["lease"], refusal: Refusal): OutcomeAck {
  return { $typeName: "maestro.v1.OutcomeAck", lease, result: { case: "refusal", value: refusalToWire(refusal) } };
}

function refuseOutcomes({ messages }: ExecutorStream, acks: readonly OutcomeAck[]): void {
  if (acks.length === 0) return;
  messages.push({ message: { case: undefined }, acks: [...acks] });
}
