// What an executor in any language has to show against a real server, on both listeners. Not here: how it is built (python.test.ts
// and its neighbours), the process that runs it (executor-process.ts).
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { CharterTermsSchema } from "../../gen/maestro/v1/charter_pb.ts";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { AttemptState, ErrorClass, StepState } from "../../gen/maestro/v1/step_pb.ts";
import type { Attempt } from "../../gen/maestro/v1/step_pb.ts";
import { connectTo } from "../../src/cli/client.ts";
import type { ServerClient } from "../../src/cli/client.ts";
import { follow } from "../../src/cli/follow.ts";
import { uuidOf } from "../../src/support/typeid.ts";
import { seeingAll } from "../support/audit.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { makeKey, startServer } from "../support/server-process.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { Cable } from "../support/cable.ts";
import { testConversations } from "./conversation.ts";
import { ExecutorProcess } from "./executor-process.ts";
import { Workshop } from "./workshop.ts";

export interface Language {
  /** Name of its folder here and of its template at the root. */
  readonly name: string;
  /** What has to be installed when its tools are not there; undefined when they are. */
  readonly missing: string | undefined;
  /** Generates stubs, builds, and says what starts the executor; `address name slots` are added. */
  build(workshop: Workshop): Promise<readonly string[]>;
}

interface Step {
  readonly capability: "double" | "await-file";
  readonly input: Readonly<Record<string, unknown>>;
  readonly needs?: readonly string[];
}

const BUILD_MS = 300_000;
const PLAN_MS = 40_000;
const TEST_MS = 60_000;
const required = process.env["MAESTRO_TEST_NO_SKIPS"] === "1";

/** Declares the tests of a language; skips them loudly when its tools are missing and may be. */
export function testExecutorIn({ name: language, missing, build }: Language): void {
  if (missing !== undefined && !required) console.warn(`SKIPPED: the executor in ${language}. ${missing}`);

  test("its tools are there where nothing may be skipped", () => {
    expect(missing === undefined || !required, missing).toBe(true);
  });

  describe.skipIf(missing !== undefined)(`an executor in ${language}`, () => {
    let workshop: Workshop;
    let command: readonly string[];
    let database: TestDatabase;
    let server: ServerProcess;
    let client: ServerClient;

    beforeAll(async () => {
      workshop = new Workshop(language);
      command = await build(workshop);
      database = await makeDatabase(inject("servers")[0]!);
      server = await startServer({ databaseUrl: database.url });
      client = connectTo(server.target, undefined);
      await client.maestro.declareCharter({
        name: language,
        terms: create(CharterTermsSchema, {}),
        idempotencyKey: client.newKey(),
      });
    }, BUILD_MS);

    afterAll(async () => {
      client?.close();
      await server?.stop();
      await database?.drop();
      workshop?.clear();
    });

    testConversations(() => command);

    describe.each(["wide port", "fast lane"] as const)("on the %s", (listener) => {
      const name = `${language}-${listener.slice(0, 4)}`;
      let files: string;
      let cable: Cable;
      let key: string | undefined;
      let executor: ExecutorProcess;

      beforeAll(async () => {
        files = mkdtempSync(join(tmpdir(), "maestro-files-"));
        cable = await Cable.to(listener === "wide port" ? server.ports.wide : server.ports.fast);
        // A key on one of them: it travels the same way on both.
        key = listener === "wide port" ? await makeKey(server.target, language) : undefined;
        executor = start(3);
        await executor.says(/^attached exec_\S+ 0$/);
      });

      afterAll(async () => {
        await executor?.kill();
        cable?.remove();
        if (files !== undefined) rmSync(files, { recursive: true, force: true });
      });

      function start(slots: number): ExecutorProcess {
        return new ExecutorProcess(
          [...command, cable.address, name, String(slots)],
          key === undefined ? {} : { MAESTRO_API_KEY: key },
        );
      }

      async function plan(steps: Readonly<Record<string, Step>>): Promise<string> {
        const made = await client.maestro.plan({
          target: { case: "newGoal", value: { charter: language, spec: { name: "interop" } } },
          steps: Object.entries(steps).map(([step, { capability, input, needs = [] }]) => ({
            key: step,
            kind: { case: "work" as const, value: { capability } },
            needs: needs.map((needed) => ({ step: needed })),
            input: { value: { case: "json" as const, value: JSON.stringify(input) } },
            retry: { maxAttempts: 2, initialBackoff: { seconds: 0n, nanos: 0 } },
          })),
          idempotencyKey: client.newKey(),
        });
        return made.plan!.planId;
      }

      async function ended(planId: string): Promise<PlanState> {
        for await (const followed of follow(client, planId, 0n, AbortSignal.timeout(PLAN_MS))) {
          if (followed.kind === "ended") return followed.plan.state;
        }
        throw new Error("the plan did not end in time");
      }

      async function attempts(planId: string, step: string): Promise<readonly Attempt[]> {
        return (await client.steps.listAttempts({ planId, step })).attempts;
      }

      async function outputs(planId: string, step: string): Promise<unknown> {
        const { value } = (await client.steps.getStep({ planId, step })).step?.outputs ?? {};
        return value?.case === "json" ? JSON.parse(value.value) : undefined;
      }

      /** A step that ends when the test says so. */
      function held(file: string): Step {
        return { capability: "await-file", input: { path: join(files, file) } };
      }

      function release(file: string): void {
        expect(existsSync(join(files, file))).toBe(false);
        writeFileSync(join(files, file), "");
      }

      function begun(step: string): number {
        return executor.said.filter((line) => line.startsWith(`began ${step} `)).length;
      }

      test("performs a plan: outputs flow on, and what was used is booked", async () => {
        const planId = await plan({
          a: { capability: "double", input: { n: 3 } },
          b: { capability: "double", input: { n: "${{ steps.a.outputs.n }}" } },
          c: { capability: "double", input: { n: "${{ steps.a.outputs.n }}" } },
          d: { capability: "double", input: { n: "${{ steps.b.outputs.n + steps.c.outputs.n }}" } },
        });
        expect(await ended(planId)).toBe(PlanState.COMPLETED);
        expect(await outputs(planId, "d")).toEqual({ n: 48 });
        const [first, ...more] = await attempts(planId, "d");
        expect(more).toEqual([]);
        expect(first?.usage?.tokens).toBe(1n);
      });

      test("says what went wrong, and that no retry mends it", async () => {
        const planId = await plan({ wrong: { capability: "double", input: {} } });
        expect(await ended(planId)).toBe(PlanState.FAILED);
        const [first, ...more] = await attempts(planId, "wrong");
        expect(more).toEqual([]);
        expect(first?.failure?.errorClass).toBe(ErrorClass.PERMANENT);
        expect(first?.failure?.message).not.toBe("");
      });

      test("keeps its leases over a stream that breaks: nothing runs twice", { timeout: TEST_MS }, async () => {
        const planId = await plan({ cut: held("cut"), after: { ...held("cut"), needs: ["cut"] } });
        await executor.says(/^began cut /);
        const after = executor.said.length;
        cable.cut();
        await executor.says(/^attached \S+ 1$/, { after });
        release("cut");
        expect(await ended(planId)).toBe(PlanState.COMPLETED);
        expect([begun("cut"), begun("after")]).toEqual([1, 1]);
        expect(await attempts(planId, "cut")).toHaveLength(1);
      });

      test(
        "keeps its leases over a server that is killed, and delivers what ended meanwhile: nothing runs twice",
        { timeout: TEST_MS },
        async () => {
          const planId = await plan({ across: held("across"), meanwhile: held("meanwhile") });
          await executor.says(/^began (across|meanwhile) /, { count: 2 });
          const after = executor.said.length;
          await server.kill();
          release("meanwhile");
          await executor.says(/^ended meanwhile success$/, { after });
          server = await startServer({ databaseUrl: database.url, ports: server.ports });
          await executor.says(/^attached /, { after });
          release("across");
          expect(await ended(planId)).toBe(PlanState.COMPLETED);
          expect([begun("across"), begun("meanwhile")]).toEqual([1, 1]);
          for (const step of ["across", "meanwhile"]) expect(await attempts(planId, step)).toHaveLength(1);
        },
      );

      test("is killed itself: its next life goes on from the checkpoint", { timeout: TEST_MS }, async () => {
        const planId = await plan({ long: held("long") });
        await executor.says(/^began long /);
        await vi.waitFor(async () => expect(await checkpointed(database, planId)).toBe(true), PLAN_MS);
        await executor.kill();
        executor = start(1);
        await executor.says(/^began long /);
        release("long");
        expect(await ended(planId)).toBe(PlanState.COMPLETED);
        expect((await attempts(planId, "long")).map(({ state }) => state).sort()).toEqual(
          [AttemptState.SUCCEEDED, AttemptState.LOST].sort(),
        );
        const { began_at: beganAt } = (await outputs(planId, "long")) as { readonly began_at: number };
        expect(beganAt).toBeGreaterThan(0);
      });

      test("takes as many steps as it says it has slots for, and stops them when it is told to", async () => {
        const planId = await plan({ x: held("never"), y: held("never"), z: held("never") });
        await executor.says(/^began [xyz] /);
        expect(executor.said.filter((line) => /^began [xyz] /.test(line))).toHaveLength(1);
        executor.setSlots(3);
        await executor.says(/^began [xyz] /, { count: 3 });
        await client.plans.cancelPlan({ planId, reason: "enough", idempotencyKey: client.newKey() });
        await executor.says(/^ended [xyz] stopped$/, { count: 3 });
        expect(await ended(planId)).toBe(PlanState.CANCELLED);
        const { step } = await client.steps.getStep({ planId, step: "x" });
        expect(step?.state).toBe(StepState.CANCELLED);
        expect(await attempts(planId, "x")).toMatchObject([{ state: AttemptState.STOPPED }]);
      });

      test("drains when it is told to end: finishes what runs, takes nothing new", { timeout: TEST_MS }, async () => {
        const planId = await plan({ last: held("last"), next: { ...held("last"), needs: ["last"] } });
        await executor.says(/^began last /);
        const { executorId } = (await client.executors.listExecutors({})).executors.find(
          ({ spec }) => spec?.name === name,
        )!;
        executor.terminate();
        await executor.says(/^draining$/);
        release("last");
        expect(await executor.exited).toBe(0);
        expect(executor.said.at(-1)).toBe("closed");
        expect(begun("next")).toBe(0);
        expect(await attempts(planId, "last")).toMatchObject([{ state: AttemptState.SUCCEEDED, executorId }]);
        await client.plans.cancelPlan({ planId, reason: "nobody is left", idempotencyKey: client.newKey() });
      });
    });
  });
}

/** Whether a checkpoint of the plan is written: only then its executor may die. */
async function checkpointed(database: TestDatabase, planId: string): Promise<boolean> {
  const rows = await seeingAll(
    database.adminUrl,
    (sql) => sql`SELECT 1 FROM maestro.checkpoints WHERE plan_id = ${uuidOf(planId, "plan") ?? null}`,
  );
  return rows.length > 0;
}
