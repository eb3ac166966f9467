// The executor library against a foreign peer: what it says, keeps and repeats. Not here: the real server, see the scenarios.
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BudgetSchema } from "../../gen/maestro/v1/amounts_pb.ts";
import { PayloadSchema } from "../../gen/maestro/v1/payload_pb.ts";
import { RefusalReason, RefusalSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import { ErrorClass } from "../../gen/maestro/v1/step_pb.ts";
import { Purpose } from "../../gen/maestro/v1/dispatch_pb.ts";
import { Executor, Interruption, PermanentError, Refuse, RefusedByServer } from "../../src/executor/executor.ts";
import type { ExecutorOptions, StepContext } from "../../src/executor/executor.ts";
import { Peer, assignment } from "./library-peer.ts";
import type { PeerStream } from "./library-peer.ts";

let peer: Peer;
const executors: Executor[] = [];

beforeEach(async () => {
  peer = await Peer.start();
});

afterEach(() => {
  for (const made of executors.splice(0)) made.close();
  peer.stop();
});

function executor(options: Partial<ExecutorOptions> = {}): Executor {
  const made = new Executor({ url: peer.url, name: "worker", slots: 4, drainOn: [], ...options });
  executors.push(made);
  return made;
}

/** Starts it and hands over the first stream, welcomed. */
async function attached(made: Executor): Promise<PeerStream> {
  const started = made.start();
  const stream = await peer.stream(0);
  stream.welcome();
  await started;
  return stream;
}

/** A handler that is held until the test lets go. */
function gate(): {
  handler: (step: unknown, context: StepContext) => Promise<{ done: true }>;
  open: () => void;
  runs: StepContext[];
  begun: Promise<void>;
} {
  const opened = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const runs: StepContext[] = [];
  return {
    runs,
    begun: begun.promise,
    open: opened.resolve,
    handler: async (_step, context) => {
      runs.push(context);
      begun.resolve();
      const stopped = new Promise<void>((_resolve, reject) => {
        context.signal.addEventListener("abort", () => reject(context.signal.reason as Error));
      });
      await Promise.race([opened.promise, stopped]);
      return { done: true };
    },
  };
}

describe("a session", () => {
  test("begins with a hello, performs what is assigned, and ends politely after a drain", async () => {
    const made = executor({ apiKey: "secret", labels: { zone: "a" }, buildId: "b1" });
    made.on<{ step: string }>("work", async ({ input, key, fencing }, { attempt, idempotencyKey }) => ({
      from: input.step,
      key,
      fencing: Number(fencing),
      attempt,
      idempotencyKey,
    }));
    const stream = await attached(made);
    expect(stream.hello.spec).toMatchObject({
      name: "worker",
      slots: 4,
      capabilities: ["work"],
      labels: { zone: "a" },
      buildId: "b1",
    });
    expect(peer.keys).toEqual(["Bearer secret"]);

    stream.assign(assignment("a"));
    await stream.until(({ outcomes }) => outcomes.length === 1);
    const [outcome] = stream.outcomes;
    expect(outcome?.lease?.fencing).toBe(7n);
    const outputs = outcome?.result.case === "success" ? outcome.result.value.outputs?.value : undefined;
    expect(outputs?.value).toBe('{"from":"a","key":"a","fencing":7,"attempt":1,"idempotencyKey":"key-a"}');
    expect(outcome?.startedAt).toBeDefined();
    stream.acknowledge(outcome?.lease);

    const drained = made.drain();
    await stream.until(({ received }) => received.some(({ message }) => message.case === "drain"));
    stream.goodbye();
    await drained;
    expect(stream.received.map(({ number }) => Number(number))).toEqual(stream.received.map((_, index) => index + 1));
  });

  test("sends outcomes that end together in one message", async () => {
    const made = executor({ slots: 64 }).on("work", () => Promise.resolve({}));
    const stream = await attached(made);
    stream.assign(...Array.from({ length: 50 }, (_, i) => assignment(String.fromCharCode(65 + i))));
    await stream.until(({ outcomes }) => outcomes.length === 50);
    expect(stream.received.filter(({ message }) => message.case === "outcomes")).toHaveLength(1);
  });

  test("performs an assignment once although it is sent twice", async () => {
    const held = gate();
    const stream = await attached(executor().on("work", held.handler));
    stream.assign(assignment("a"), assignment("a"));
    await held.begun;
    held.open();
    await stream.until(({ outcomes }) => outcomes.length === 1);
    expect(held.runs).toHaveLength(1);
  });

  test("is told by the server that its key is not known, and does not try again", async () => {
    peer.refuseWith = status.UNAUTHENTICATED;
    const made = executor().on("work", async () => ({}));
    await expect(made.start()).rejects.toThrow(RefusedByServer);
    await expect(made.closed).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
    expect(peer.keys).toHaveLength(1);
  });

  test("ends with the refusal of a goodbye that does not want it back", async () => {
    const made = executor().on("work", async () => ({}));
    const stream = await attached(made);
    const refusal = create(RefusalSchema, { reason: RefusalReason.CAPABILITY_MISSING, explanation: "not granted" });
    stream.say({ case: "goodbye", value: { refusal } });
    await expect(made.closed).rejects.toMatchObject({ reason: "CAPABILITY_MISSING" });
  });

  test("cannot start without a handler, with no slots, or with an address that is none", async () => {
    await expect(executor().start()).rejects.toThrow(/no handler/);
    await expect(
      executor({ slots: 0 })
        .on("work", async () => ({}))
        .start(),
    ).rejects.toThrow(/slots must be/);
    expect(() => executor({ url: "ftp://x" })).toThrow(/is not the address of a server/);
    const broken = (): unknown => executor({ apiKey: "mk_secret-guess\nmk_other" });
    expect(broken).toThrow(/holds what no key holds/);
    expect(broken).not.toThrow(/secret-guess/);
  });
});

describe("a broken stream", () => {
  test("does not end what runs: the lease is listed and carries on, and its outcome goes over the next stream", async () => {
    const held = gate();
    const first = await attached(executor().on("work", held.handler));
    first.assign(assignment("a"));
    await held.begun;
    first.break();
    const second = await peer.stream(1);
    expect(second.hello.held.map(({ step, fencing }) => [step, fencing])).toEqual([["a", 7n]]);
    expect(second.hello.incarnation).toBe(first.hello.incarnation);
    second.welcome();
    held.open();
    await second.until(({ outcomes }) => outcomes.length === 1);
    expect(held.runs).toHaveLength(1);
    expect(second.received[0]?.number).toBe(1n);
  });

  test("brings back outcomes that were not acknowledged, and only those", async () => {
    const first = await attached(executor().on("work", async () => ({})));
    first.assign(assignment("a"), assignment("b"));
    await first.until(({ outcomes }) => outcomes.length === 2);
    first.acknowledge(first.outcomes.find(({ lease }) => lease?.step === "a")?.lease);
    first.say({ case: "heartbeat", value: {} });
    // The acknowledgement was written before the break, on the same stream.
    first.goodbye();
    const second = await peer.stream(1);
    expect(second.hello.unsent.map(({ lease }) => lease?.step)).toEqual(["b"]);
    expect(second.hello.held.map(({ step }) => step)).toEqual(["b"]);
    second.welcome();
  });

  test("stops an attempt whose lease was lost meanwhile, without an outcome", async () => {
    const held = gate();
    const first = await attached(executor().on("work", held.handler));
    first.assign(assignment("a"));
    await held.begun;
    first.break();
    const second = await peer.stream(1);
    second.welcome(10_000, [...second.hello.held]);
    second.assign(assignment("b"));
    await expect(
      new Promise((_, reject) =>
        held.runs[0]?.signal.addEventListener("abort", () => reject(held.runs[0]?.signal.reason as Error)),
      ),
    ).rejects.toMatchObject({ cause: "lost" });
    held.open();
    await second.until(({ outcomes }) => outcomes.length > 0);
    expect(second.outcomes.map(({ lease }) => lease?.step)).toEqual(["b"]);
  });

  test("is what silence of the server means", async () => {
    const made = executor().on("work", async () => ({}));
    void made.start();
    const first = await peer.stream(0);
    first.welcome(300);
    const second = await peer.stream(1);
    second.welcome();
    expect(first.ended).toBe(true);
  });
});

describe("an attempt", () => {
  test("is stopped with its outcome when one is wanted", async () => {
    const held = gate();
    const stream = await attached(executor().on("work", held.handler));
    const given = assignment("a");
    stream.assign(given);
    await held.begun;
    stream.say({
      case: "stops",
      value: { stops: [{ lease: given.lease!, reason: "the plan was cancelled", outcomeWanted: true }] },
    });
    await stream.until(({ outcomes }) => outcomes.length === 1);
    expect(held.runs[0]?.signal.reason).toBeInstanceOf(Interruption);
    expect(stream.outcomes[0]?.result).toMatchObject({ case: "stopped", value: { message: "the plan was cancelled" } });
  });

  test("times out at its deadline", async () => {
    const stream = await attached(executor().on("work", gate().handler));
    stream.assign(assignment("a", { deadline: timestampFromMs(Date.now() + 20) }));
    await stream.until(({ outcomes }) => outcomes.length === 1);
    expect(stream.outcomes[0]?.result).toMatchObject({ case: "failure", value: { errorClass: ErrorClass.TIMEOUT } });
  });

  test.each([
    ["any error", new Error("hm"), { case: "failure", value: { errorClass: ErrorClass.TRANSIENT, message: "hm" } }],
    [
      "a permanent error",
      new PermanentError("never", { code: 3 }),
      { case: "failure", value: { errorClass: ErrorClass.PERMANENT, detailsJson: '{"code":3}' } },
    ],
    ["a refusal", new Refuse("not here", "org"), { case: "refusal", value: { explanation: "not here", rule: "org" } }],
  ])("that throws %s says so", async (_name, error, result) => {
    const stream = await attached(executor().on("work", () => Promise.reject(error)));
    stream.assign(assignment("a"));
    await stream.until(({ outcomes }) => outcomes.length === 1);
    expect(stream.outcomes[0]?.result).toMatchObject(result);
  });

  test("with outputs that are too large fails of their shape", async () => {
    const stream = await attached(executor().on("work", async () => ({ text: "x".repeat(300_000) })));
    stream.assign(assignment("a"));
    await stream.until(({ outcomes }) => outcomes.length === 1);
    expect(stream.outcomes[0]?.result).toMatchObject({ case: "failure", value: { errorClass: ErrorClass.SCHEMA } });
  });

  test("tells lines, progress, checkpoint and usage before its outcome", async () => {
    const made = executor().on("work", async (_step, context) => {
      context.log("one\ntwo");
      context.log("oops", "stderr");
      context.progress(0.5, "half way");
      context.checkpoint({ at: 3 });
      context.usage({ tokens: 5, moneyMicros: 7, energyJoules: 1.5 });
      context.usage({ tokens: 1 });
      context.artifact({ name: "tarball", uri: "file:///t.tgz", sizeBytes: 12 });
      expect(context.lastCheckpoint).toEqual({ at: 2 });
      expect(context.remainingBudget).toEqual({ currency: "USD", moneyMicros: 9 });
      return {};
    });
    const stream = await attached(made);
    stream.assign(
      assignment("a", {
        checkpoint: create(PayloadSchema, { value: { case: "json", value: '{"at":2}' } }),
        remainingBudget: create(BudgetSchema, { currency: "USD", moneyMicros: 9n }),
      }),
    );
    await stream.until(({ outcomes }) => outcomes.length === 1);
    expect(stream.outcomes[0]?.result.case).toBe("success");
    const [renewal] = stream.renewals;
    expect(renewal?.lines.map(({ stream: name, text }) => `${name}:${text}`)).toEqual([
      "stdout:one",
      "stdout:two",
      "stderr:oops",
    ]);
    expect(renewal).toMatchObject({ progress: 0.5, message: "half way", checkpoint: { value: { value: '{"at":3}' } } });
    expect(stream.outcomes[0]?.usage).toMatchObject({ tokens: 6n, moneyMicros: 7n, energyMillijoules: 1500n });
    expect(stream.outcomes[0]?.artifacts).toMatchObject([{ name: "tarball", sizeBytes: 12n }]);
  });

  test("keeps at most so many lines while nobody takes them, drops the oldest and says how many", async () => {
    const made = executor().on("work", async (_step, { log }) => {
      for (let i = 0; i < 10_000; i++) log(`line ${i}`);
      return {};
    });
    const stream = await attached(made);
    stream.assign(assignment("a"));
    await stream.until(({ outcomes }) => outcomes.length === 1);
    const lines = stream.renewals.flatMap((renewal) => renewal.lines.map(({ text }) => text));
    expect(lines[0]).toBe("… 6000 lines dropped: they came faster than they could be sent");
    expect(lines.at(-1)).toBe("line 9999");
    expect(lines).toHaveLength(4001);
  });

  test("of undoing goes to the handler registered for it", async () => {
    const purposes: string[] = [];
    const made = executor()
      .on("work", async () => ({ did: true }))
      .onCompensate("work", async (_step, { purpose }) => void purposes.push(purpose));
    const stream = await attached(made);
    stream.assign(assignment("a", { purpose: Purpose.COMPENSATE }));
    await stream.until(({ outcomes }) => outcomes.length === 1);
    expect(purposes).toEqual(["compensate"]);
  });

  test("that still runs when its executor is stopped goes back without burning a retry", async () => {
    const held = gate();
    const made = executor().on("work", held.handler);
    const stream = await attached(made);
    stream.assign(assignment("a"));
    await held.begun;
    const stopped = made.stop();
    await stream.until(({ outcomes }) => outcomes.length === 1);
    expect(stream.outcomes[0]?.result).toMatchObject({ case: "failure", value: { errorClass: ErrorClass.LOST } });
    stream.acknowledge(stream.outcomes[0]?.lease);
    stream.goodbye();
    await stopped;
  });

  test("that arrives while its executor drains is given back unbegun", async () => {
    const held = gate();
    const made = executor().on("work", held.handler);
    const stream = await attached(made);
    stream.assign(assignment("a"));
    await held.begun;
    const drained = made.drain();
    stream.assign(assignment("b"));
    await stream.until(({ outcomes }) => outcomes.length === 1);
    expect(stream.outcomes[0]).toMatchObject({ lease: { step: "b" }, result: { case: "returned" } });
    held.open();
    await stream.until(({ outcomes }) => outcomes.length === 2);
    stream.acknowledge(...stream.outcomes.map(({ lease }) => lease));
    stream.goodbye();
    await drained;
  });
});
