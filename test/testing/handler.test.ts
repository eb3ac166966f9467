// Handlers on their own, through `maestro/testing`. Not here: servers, see server.test.ts.
import { expect, test } from "vitest";
import { Interruption, PermanentError, Refuse } from "../../src/executor/executor.ts";
import type { Handler } from "../../src/executor/executor.ts";
import { outcomes, runHandler, scripted, startHandler } from "../../src/testing/testing.ts";

/** Resolves when the signal fires, and throws its reason on. */
async function interrupted(signal: AbortSignal): Promise<never> {
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  throw signal.reason;
}

async function all(parts: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for await (const part of parts) found.push(part);
  return found;
}

test("what a handler returns and tells is what the executor would report", async () => {
  const outcome = await runHandler<{ image: string }>(
    (step, context) => {
      context.log("one\ntwo");
      context.log("oops", "stderr");
      context.progress(7, "almost");
      context.checkpoint({ at: 1 });
      context.usage({ moneyMicros: 120, tokens: 3 });
      context.usage({ tokens: 4 });
      context.artifact({ name: "thumb", uri: "file:///thumb", sizeBytes: 9 });
      return { image: `${step.input.image}@640` };
    },
    { input: { image: "cat.png" } },
  );
  expect(outcome).toMatchObject({
    result: "success",
    outputs: { image: "cat.png@640" },
    lines: [
      { stream: "stdout", text: "one" },
      { stream: "stdout", text: "two" },
      { stream: "stderr", text: "oops" },
    ],
    progress: [{ share: 1, message: "almost" }],
    checkpoints: [{ at: 1 }],
    usage: { moneyMicros: 120, tokens: 7, energyJoules: 0 },
    artifacts: [{ name: "thumb", uri: "file:///thumb", digest: "", sizeBytes: 9, contentType: "" }],
  });
});

test("it is called with what the test says, and with a plain first attempt otherwise", async () => {
  const seen: unknown[] = [];
  const look: Handler = (step, context) => {
    seen.push(step, { ...context, signal: undefined });
  };
  await runHandler(look);
  await runHandler(look, {
    input: [1],
    key: "resize",
    attempt: 3,
    purpose: "compensate",
    fencing: 9n,
    lastCheckpoint: { at: 2 },
    hold: { tokens: 5 },
    remainingBudget: { moneyMicros: 7, currency: "USD" },
  });
  const [step, context, other, otherContext] = seen;
  expect(step).toMatchObject({ key: "step", capability: "test", input: null, fencing: 1n });
  expect(context).toMatchObject({ purpose: "execute", attempt: 1, deadlineMs: undefined, lastCheckpoint: undefined });
  expect(other).toMatchObject({ key: "resize", input: [1], fencing: 9n });
  expect(otherContext).toMatchObject({
    purpose: "compensate",
    attempt: 3,
    lastCheckpoint: { at: 2 },
    hold: { tokens: 5 },
    remainingBudget: { moneyMicros: 7, currency: "USD" },
  });
});

test.each<[string, Handler, object]>([
  [
    "an error",
    () => Promise.reject(new Error("down")),
    { result: "failure", errorClass: "TRANSIENT", message: "down" },
  ],
  [
    "a permanent error",
    () => {
      throw new PermanentError("no such file", { path: "x" });
    },
    { result: "failure", errorClass: "PERMANENT", message: "no such file", details: { path: "x" } },
  ],
  [
    "a refusal",
    () => {
      throw new Refuse("not here", "zone");
    },
    { result: "refusal", explanation: "not here", rule: "zone" },
  ],
  ["no object", () => [1] as never, { result: "failure", errorClass: "SCHEMA" }],
  ["too much", () => ({ text: "x".repeat(300_000) }), { result: "failure", errorClass: "SCHEMA" }],
])("%s has the class that retries go by", async (_, handler, expected) => {
  expect(await runHandler(handler)).toMatchObject(expected);
});

test("a checkpoint that is too large fails the attempt as it would at work", async () => {
  const outcome = await runHandler((_, context) => context.checkpoint("x".repeat(300_000)));
  expect(outcome).toMatchObject({ result: "failure", errorClass: "TRANSIENT", checkpoints: [] });
});

test("content that it puts is kept, named and addressed by digest; content that the test gives is there", async () => {
  const outcome = await runHandler(
    async (_, { putArtifact, getArtifact }) => {
      const chunks = await all(getArtifact("max://artifact/one", { offset: 2 }));
      const { uri } = await putArtifact(Buffer.concat(chunks), { name: "rest", contentType: "text/plain" });
      const again = await all(getArtifact(uri));
      return { uri, text: Buffer.concat(again).toString() };
    },
    { contents: { "max://artifact/one": "hello" } },
  );
  expect(outcome).toMatchObject({ result: "success", outputs: { text: "llo" } });
  const [artifact] = outcome.artifacts;
  expect(artifact).toMatchObject({ name: "rest", sizeBytes: 3, contentType: "text/plain" });
  expect(artifact?.uri).toBe(`max://artifact/${artifact?.digest ?? ""}`);
  expect(outcome.contents.get(artifact?.uri ?? "")).toEqual(new TextEncoder().encode("llo"));
  const none = await runHandler(async (_, { getArtifact }) => void (await all(getArtifact("max://none"))));
  expect(none).toMatchObject({ result: "failure", message: "NOT_FOUND: there is no artifact max://none" });
});

test("its time is up as soon as the test says so", async () => {
  const run = startHandler(
    async (_, { signal, log }) => {
      log("working");
      await interrupted(signal);
    },
    { timeout: "2h" },
  );
  await run.until(({ lines }) => lines.length === 1);
  run.skip("119m");
  run.skip("1m");
  expect(await run.ended).toMatchObject({
    result: "failure",
    errorClass: "TIMEOUT",
    lines: [{ stream: "stdout", text: "working" }],
  });
});

test.each([
  ["stop", "stopped", "stopped"],
  ["lose", "lost", "lost"],
  ["shutDown", "shutdown", "failure"],
] as const)("%s fires the signal as the server would", async (verb, cause, result) => {
  let reason: unknown;
  const run = startHandler(async (_, { signal }) => {
    await interrupted(signal).catch((why: unknown) => (reason = why));
    throw new Error("ended");
  });
  run[verb]("because");
  const outcome = await run.ended;
  expect(reason).toBeInstanceOf(Interruption);
  expect(reason).toMatchObject({ cause, message: "because" });
  expect(outcome.result).toBe(result);
});

test("a handler that finishes although it was told to stop has succeeded", async () => {
  const run = startHandler(async (_, { signal }) => {
    await interrupted(signal).catch(() => undefined);
    return { done: true };
  });
  run.stop();
  expect(await run.ended).toMatchObject({ result: "success", outputs: { done: true } });
});

test("waiting for what a handler never tells is refused when it ends", async () => {
  const run = startHandler(() => undefined);
  await expect(run.until(({ lines }) => lines.length > 0)).rejects.toThrow("ended before");
});

test("scripted handlers come to their outcomes in order, each step by itself; the last one stays", async () => {
  const handler = scripted(outcomes.transient("first"), outcomes.success({ n: 1 }, { tokens: 5 }));
  expect(await runHandler(handler)).toMatchObject({ errorClass: "TRANSIENT", message: "first" });
  expect(await runHandler(handler, { key: "other" })).toMatchObject({ message: "first" });
  expect(await runHandler(handler)).toMatchObject({ outputs: { n: 1 }, usage: { tokens: 5 } });
  expect(await runHandler(handler)).toMatchObject({ outputs: { n: 1 } });
  expect(await runHandler(scripted())).toMatchObject({ result: "success", outputs: undefined });
  const hanging = startHandler(scripted(outcomes.hang()), { timeout: 1 });
  expect(await hanging.ended).toMatchObject({ errorClass: "TIMEOUT" });
});

test("a span that is none is refused", () => {
  expect(() => startHandler(() => undefined, { timeout: "soon" })).toThrow(RangeError);
});
