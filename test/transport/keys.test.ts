// API keys over the wire: the first one of an installation, and what ends with a key. Not here: what keys grant, see wire.test.ts.
import { createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { DispatchService } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import type { Goodbye, SubscribeResponse } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { attach } from "./peers.ts";
import { refused } from "./refused.ts";
import { startServer } from "./server.ts";
import type { TestServer } from "./server.ts";

const FIRST = "0123456789abcdef0123456789abcdef";
let database: TestDatabase;
let server: TestServer;
let admin: Transport;

beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url, requireAuth: true, bootstrapKey: FIRST });
  admin = withKey(FIRST);
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

function withKey(secret: string, at = server): Transport {
  return createGrpcTransport({
    baseUrl: at.wideUrl,
    interceptors: [(next) => (request) => (request.header.set("authorization", `Bearer ${secret}`), next(request))],
  });
}

describe("the bootstrap key", () => {
  test("may do everything in the first org of a server that nobody may call without a key", async () => {
    expect(server.hasKeys).toBe(true);
    const nobody = createGrpcTransport({ baseUrl: server.wideUrl });
    expect((await refused(createClient(IdentityService, nobody).whoAmI({}))).refusal.reason).toBe(
      RefusalReason.UNAUTHENTICATED,
    );
    expect(await createClient(IdentityService, admin).whoAmI({})).toMatchObject({
      org: { name: "default" },
      principal: "bootstrap",
      grants: ["*"],
    });
  });

  test("is made once, and stays revoked when it was", async () => {
    const engine = inject("servers")[0];
    if (engine === undefined) throw new Error("no server to test on");
    const own = await makeDatabase(engine);
    const settings = { databaseUrl: own.url, requireAuth: true, bootstrapKey: FIRST };
    const start = async <T>(work: (it: TestServer) => Promise<T>, over: object = {}): Promise<T> => {
      const it = await startServer({ ...settings, ...over });
      try {
        return await work(it);
      } finally {
        await it.end();
      }
    };
    try {
      expect(await start(async (it) => it.hasKeys, { bootstrapKey: null })).toBe(false);
      await start(async () => undefined);
      await start(async (it) => {
        const identity = createClient(IdentityService, withKey(FIRST, it));
        const { keys } = await identity.listApiKeys({});
        expect(keys).toMatchObject([{ principal: "bootstrap" }]);
        await identity.revokeApiKey({ keyId: keys[0]?.keyId ?? "" });
      });
      await start(async (it) => {
        expect(it.hasKeys).toBe(false);
        const { refusal } = await refused(createClient(IdentityService, withKey(FIRST, it)).whoAmI({}));
        expect(refusal.rule).toBe("key.revoked");
      });
    } finally {
      await own.drop();
    }
  });
});

describe.each(["is revoked", "expires"])("when a key %s", (how) => {
  const capability = how.replace(" ", "-");

  test("its streams and waiting calls end, whichever they are, and others go on", async () => {
    await createClient(MaestroService, admin).declareCharter({ name: "keys", terms: {} });
    const { plan } = await createClient(MaestroService, admin).plan({
      target: { case: "newGoal", value: { charter: "keys", spec: { name: capability } } },
      steps: [{ key: "a", kind: { case: "work", value: { capability } } }],
    });
    const planId = plan?.planId ?? "";
    // Somebody else's executor holds the step, so that its log has something to follow.
    const holder = attach(admin);
    holder.say({ case: "hello", value: { spec: spec(`holder-${capability}`), incarnation: "one" } });
    await holder.hear("assignments");
    const { executor } = await createClient(ExecutorService, admin).registerExecutor({
      spec: spec(`caller-${capability}`),
    });
    const { key, secret } = await createClient(IdentityService, admin).createApiKey({
      principal: capability,
      grants: ["*"],
      ...(how === "expires" ? { lifetime: { seconds: 2n } } : {}),
    });
    const mine = withKey(secret);

    const watch = createClient(PlanService, mine).watchPlan({ planId })[Symbol.asyncIterator]();
    const tail = createClient(StepService, mine).tailLogs({ planId, step: "a", follow: true })[Symbol.asyncIterator]();
    const pushed = attach(mine);
    pushed.say({ case: "hello", value: { spec: spec(`pushed-${capability}`), incarnation: "one" } });
    const subscribed = createClient(DispatchService, mine)
      .subscribe({ spec: spec(`subscribed-${capability}`), incarnation: "one" })
      [Symbol.asyncIterator]();
    for (const first of [watch.next(), tail.next(), pushed.hear("welcome"), subscribed.next()]) await first;
    const call = createClient(MaestroService, mine).dispatchNext({
      executorId: executor?.executorId ?? "",
      maxSteps: 1,
      wait: { seconds: 30n },
    });
    const ends = [
      refused(rest(watch)),
      refused(rest(tail)),
      refused(call),
      pushed.hear("goodbye"),
      goodbye(subscribed),
    ] as const;
    if (how === "is revoked") await createClient(IdentityService, admin).revokeApiKey({ keyId: key?.keyId ?? "" });
    for (const end of await Promise.all(ends))
      expect(end.refusal?.reason, JSON.stringify(end.refusal?.explanation)).toBe(RefusalReason.UNAUTHENTICATED);

    await createClient(PlanService, admin).cancelPlan({ planId, reason: "enough" });
    expect((await holder.hear("stops")).stops).toHaveLength(1);
    holder.end();
  });
});

test("a key that another server revoked ends here with the next renewal of the session", async () => {
  const other = await startServer({ databaseUrl: database.url, requireAuth: true });
  try {
    const { key, secret } = await createClient(IdentityService, admin).createApiKey({
      principal: "far",
      grants: ["*"],
    });
    const stream = attach(withKey(secret));
    stream.say({ case: "hello", value: { spec: spec("far"), incarnation: "one" } });
    await stream.hear("welcome");
    await createClient(IdentityService, withKey(FIRST, other)).revokeApiKey({ keyId: key?.keyId ?? "" });
    expect((await stream.hear("goodbye")).refusal?.reason).toBe(RefusalReason.UNAUTHENTICATED);
    const { refusal } = await refused(createClient(IdentityService, withKey(secret)).whoAmI({}));
    expect(refusal.rule).toBe("key.revoked");
  } finally {
    await other.end();
  }
});

function spec(name: string) {
  // One slot each: the holder's is taken, and nobody else's work is looked for.
  return { name, capabilities: [name.replace(/^holder-/, "")], slots: 1 };
}

async function rest(stream: AsyncIterator<unknown>): Promise<void> {
  for (let next = await stream.next(); next.done !== true; next = await stream.next());
}

async function goodbye(stream: AsyncIterator<SubscribeResponse>): Promise<Goodbye> {
  for (let next = await stream.next(); next.done !== true; next = await stream.next())
    if (next.value.message.case === "goodbye") return next.value.message.value;
  throw new Error("the stream ended without a goodbye");
}
