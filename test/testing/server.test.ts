// A test server as a project's tests use it, `maestro/testing`. Not here: handlers on their own, see handler.test.ts.
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aChain, aPlan, aRetry, outcomes, scripted, startTestServer } from "../../src/testing/testing.ts";
import type { TestServer } from "../../src/testing/testing.ts";
import { connectTo } from "../../src/cli/client.ts";
import { planFileSchema } from "../../src/cli/plan-file/schema.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

test("a plan runs to its end on handlers of the test", async () => {
  await server.executor({
    "shop.total": (step) => {
      const { prices } = step.input as { prices: number[] };
      return { total: prices.reduce((sum, price) => sum + price, 0) };
    },
    "shop.bill": (step) => ({ text: `pay ${String((step.input as { total: number }).total)}` }),
  });
  const plan = await server.commit(
    aPlan({
      total: { capability: "shop.total", input: { prices: [1, 2, 3] } },
      bill: { capability: "shop.bill", input: { total: "${{ steps.total.outputs.total }}" } },
    }),
  );
  const { state, steps } = await plan.ended();
  expect(state).toBe("COMPLETED");
  expect(steps["bill"]).toMatchObject({
    state: "SUCCEEDED",
    attempt: 1,
    input: { total: 6 },
    outputs: { text: "pay 6" },
  });
});

test("back-offs of hours take no time when they are skipped", async () => {
  await server.executor({
    flaky: scripted(outcomes.transient("busy"), outcomes.transient("busy"), outcomes.success({ ok: true })),
  });
  const plan = await server.commit(aPlan({ fetch: { capability: "flaky", retry: aRetry(3, "5h") } }));
  const beganMs = server.nowMs();
  const { steps } = await plan.ended({ skip: true });
  expect(steps["fetch"]).toMatchObject({ state: "SUCCEEDED", attempt: 3 });
  expect(server.nowMs() - beganMs).toBeGreaterThanOrEqual(10 * 3_600_000);
});

test("a back-off holds until the test moves the clock past it", async () => {
  await server.executor({ slow: scripted(outcomes.transient("not yet", { code: 503 }), outcomes.success()) });
  const plan = await server.commit(aPlan({ wait: { capability: "slow", retry: aRetry(2, "10m") } }));
  const waiting = await plan.stepIs("wait", "BACKING_OFF");
  expect(waiting.failure).toMatchObject({ errorClass: "TRANSIENT", message: "not yet" });
  const leftMs = (waiting.notBeforeMs ?? 0) - server.nowMs();
  expect(leftMs).toBeGreaterThan(500_000);
  expect(leftMs).toBeLessThanOrEqual(600_000);
  await server.skip("9m");
  expect((await plan.step("wait")).state).toBe("BACKING_OFF");
  await server.skip("61s");
  expect((await plan.ended()).state).toBe("COMPLETED");
});

test("an attempt runs out of time, and its executor is told, when the test moves the clock past its timeout", async () => {
  await server.executor({ stuck: scripted(outcomes.hang()) });
  const plan = await server.commit(aPlan({ hang: { capability: "stuck", timeout: "1h" } }));
  await plan.stepIs("hang", "LEASED");
  await server.skip("1h");
  const { state, steps } = await plan.ended();
  expect(state).toBe("FAILED");
  expect(steps["hang"]?.failure?.errorClass).toBe("TIMEOUT");
});

test("a plan is late when the test moves the clock past its deadline, although nobody works on it", async () => {
  const plan = await server.commit(aPlan({ a: { capability: "nobody" } }, { goal: { name: "late", deadline: "2d" } }), {
    acceptLate: true,
  });
  await server.skip("49h");
  expect((await plan.ended()).state).not.toBe("COMPLETED");
});

test("a skip leaves executors attached and leases where they are", async () => {
  const { promise: gate, resolve: release } = Promise.withResolvers<void>();
  const happened: string[] = [];
  await server.executor(
    {
      long: async (_, { signal }) => {
        await gate;
        return { interrupted: signal.aborted };
      },
    },
    { observe: ({ kind }) => void happened.push(kind) },
  );
  const plan = await server.commit(aPlan({ work: { capability: "long", timeout: "30d" } }));
  await plan.stepIs("work", "LEASED");
  await server.skip("20d");
  release();
  expect((await plan.ended()).steps["work"]).toMatchObject({ attempt: 1, outputs: { interrupted: false } });
  expect(happened).toEqual(["attached", "started", "finished"]);
});

test("a lease that is to be renewed lapses, and a key expires, when the test moves the clock past it", async () => {
  const { client } = server;
  const { executor } = await client.executors.registerExecutor({
    spec: { name: "puller", slots: 1, capabilities: ["pull"] },
    idempotencyKey: client.newKey(),
  });
  const plan = await server.commit(aPlan({ once: { capability: "pull" } }));
  const { assignments } = await client.maestro.dispatchNext({
    executorId: executor?.executorId ?? "",
    maxSteps: 1,
    wait: { seconds: 10n },
    lease: { seconds: 600n },
    idempotencyKey: client.newKey(),
  });
  expect(assignments).toHaveLength(1);
  const { secret } = await client.identity.createApiKey({
    principal: "for an hour",
    grants: ["map.maestro.identity.who"],
    lifetime: { seconds: 3600n },
    idempotencyKey: client.newKey(),
  });
  const guest = connectTo(server.url, secret);
  await expect(guest.identity.whoAmI({})).resolves.toBeDefined();
  await server.skip("11m");
  await plan.until(({ steps }) => steps["once"]?.state !== "LEASED");
  await expect(guest.identity.whoAmI({})).resolves.toBeDefined();
  await server.skip("1h");
  await expect(guest.identity.whoAmI({})).rejects.toThrow("expired");
  guest.close();
  await plan.cancel();
});

test("plans of before and after a long skip are both there", async () => {
  await server.executor({ test: scripted() });
  const before = await server.commit(aPlan(aChain("a", "b", "c")));
  expect((await before.ended()).state).toBe("COMPLETED");
  await server.skip("400d");
  const after = await server.commit(aPlan(3));
  expect((await after.ended()).state).toBe("COMPLETED");
  expect((await before.view()).steps["c"]?.state).toBe("SUCCEEDED");
});

test("compensation, approvals and cancellation are within reach", async () => {
  const undone: string[] = [];
  await server.executor(
    { book: scripted(), fail: scripted(outcomes.permanent("no seats")), wait: scripted(outcomes.hang()) },
    { compensate: { book: (step) => void undone.push(step.key) } },
  );
  const booking = await server.commit(
    aPlan({
      hotel: { capability: "book", compensation: { capability: "book" } },
      flight: { capability: "fail", needs: ["hotel"] },
    }),
  );
  expect((await booking.ended()).state).toBe("FAILED");
  expect(undone).toEqual(["hotel"]);

  const asking = await server.commit(aPlan({ pay: { capability: "book", requires_approval: true } }));
  await asking.stepIs("pay", "AWAITING_APPROVAL");
  await asking.answer(true, "go on");
  expect((await asking.ended()).state).toBe("COMPLETED");
  await expect(asking.answer(true)).rejects.toThrow("waits for no approval");

  const endless = await server.commit(aPlan({ a: { capability: "wait" } }));
  await endless.stepIs("a", "LEASED");
  await endless.cancel({ reason: "enough" });
  expect((await endless.ended()).state).toBe("CANCELLED");
});

test("commands run on this machine", async () => {
  await server.shell();
  const plan = await server.commit(
    `charter: { name: test }\ngoal: { name: shell }\nsteps:\n  hello: { capability: shell, input: { run: [echo, hello] } }\n`,
  );
  expect((await plan.ended()).steps["hello"]?.outputs).toMatchObject({ stdout: "hello\n" });
});

test("a plan that does not end says how it stands; a wrong one what is wrong", async () => {
  const plan = await server.commit(aPlan({ a: { capability: "nobody.at.all" } }));
  await expect(plan.ended({ within: 300 })).rejects.toThrow(/time is up.*is ACTIVE; a READY$/);
  await expect(server.commit(aPlan({ a: { needs: ["b"] } }))).rejects.toThrow(
    /this plan is wrong:\nplan:\d+:\d+: steps\.a/,
  );
  await expect(plan.step("zzz")).rejects.toThrow();
});

test("builders know no key that plan files do not", () => {
  const schema = planFileSchema() as unknown as {
    properties: { steps: { additionalProperties: { anyOf: readonly { readonly properties: object }[] } } };
  };
  const kinds = schema.properties.steps.additionalProperties.anyOf.map(({ properties }) => Object.keys(properties));
  const { work, gate } = aPlan({
    work: { retry: aRetry(2), needs: [], title: "" },
    gate: { gate: "release", needs: ["work"] },
  }).steps;
  expect(kinds).toEqual([
    expect.arrayContaining(Object.keys({ ...gate })),
    expect.arrayContaining(Object.keys({ ...work })),
  ]);
});

test("it ends with the scope that declared it, and leaves no folder behind", async () => {
  const folders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("maestro-testing-"));
  const before = folders();
  let own: string[];
  {
    await using other = await startTestServer();
    own = folders().filter((name) => !before.includes(name));
    expect(new URL(other.url).hostname).toBe("127.0.0.1");
  }
  expect(own.length).toBeGreaterThan(0);
  expect(folders().filter((name) => own.includes(name))).toEqual([]);
});

test("it ends with the test that it was started in", async ({ onTestFinished }) => {
  let end: (() => Promise<void>) | undefined;
  const one = await startTestServer({ endWith: (ending) => onTestFinished((end = ending)) });
  const { url } = one;
  await expect(one.client.identity.whoAmI({})).resolves.toBeDefined();
  onTestFinished(async () => {
    await end?.();
    await expect(fetch(url)).rejects.toThrow();
  });
});

test("it ends at once when the runner takes no hook", async () => {
  let end: (() => Promise<void>) | undefined;
  const refusing = startTestServer({
    endWith: (ending) => {
      end = ending;
      throw new Error("no hooks now");
    },
  });
  await expect(refusing).rejects.toThrow("no hooks now");
  await end?.();
});
