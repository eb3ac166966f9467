// `maestro executors`: the fleet as operators see it, and what they may do to it. Not here: being an executor, see
// executor-run.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { ExecutorState } from "../../gen/maestro/v1/executor_pb.ts";
import { epochMs } from "../../src/cli/words.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
let executorId = "";
beforeAll(async () => {
  stage = await Stage.open();
  const running = await stage.executor("fleet-1", "--label", "gpu=a100");
  executorId = /attached as (exec_\w+)/.exec(running.out)?.[1] ?? "";
  for (const name of ["aside", "odd\u001b[2J"]) {
    const spec = { name, capabilities: ["resize", "crop"], slots: 2 };
    await stage.client.executors.registerExecutor({ spec, idempotencyKey: name });
  }
});
afterAll(() => stage.close());

test("are listed by name, and one is shown by its id or name", async () => {
  const { out, code, err } = await stage.here("executors");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(/^EXECUTOR +NAME +STATE +CONNECTED +SLOTS +TRUST +CAPABILITIES +LABELS\n/);
  expect(out).toMatch(/^exec_\w+ +aside +ACTIVE +no +2 +[\d.]+ +resize, crop$/m);
  expect(out).toMatch(new RegExp(`^${executorId} +fleet-1 +ACTIVE +yes +4 +[\\d.]+ +shell +gpu=a100$`, "m"));
  expect(out).toContain("odd�[2J");
  const shown = await stage.here("executors", "fleet-1");
  expect(shown.out).toMatch(/^labels +gpu=a100$/m);
  expect(shown.out).toMatch(/^connected +yes$/m);
  const json = await stage.here("--json", "executors", executorId);
  expect(JSON.parse(json.out)).toMatchObject({ executor_id: executorId, spec: { name: "fleet-1" }, connected: true });
  expect((await stage.here("--json", "executors", "--limit", "1")).out.trimEnd().split("\n")).toHaveLength(1);
});

test("is heard of as long as its stream is attached, and then last when it went", async () => {
  const seenMs = async (named: string): Promise<number> => {
    const { executors } = await stage.client.executors.listExecutors({});
    return epochMs(executors.find(({ spec }) => spec?.name === named)?.lastSeenAt) ?? 0;
  };
  const [attached, aside] = [await seenMs("fleet-1"), await seenMs("aside")];
  await expect.poll(() => seenMs("fleet-1")).toBeGreaterThan(attached);
  expect(await seenMs("aside")).toBe(aside);
  const { executor } = await stage.client.executors.getExecutor({ executorId });
  expect(epochMs(executor?.lastSeenAt)).toBeGreaterThan(attached);
});

test("is given another trust", async () => {
  expect((await stage.here("executors", "trust", "aside", "0.25")).out).toBe("aside is trusted 0.25\n");
  expect(JSON.parse((await stage.here("--json", "executors", "aside")).out)).toMatchObject({ trust: 0.25 });
  for (const trust of ["1.5", "-1", "none", ""]) {
    const { code, err } = await stage.here("executors", "trust", "--", "aside", trust);
    expect(err).toMatch(/must be a number from 0 to 1/);
    expect(code).toBe(2);
  }
});

test("is drained by name, and takes nothing new", async () => {
  expect((await stage.here("executors", "drain", "fleet-1")).out).toBe("fleet-1 is DRAINING\n");
  const { executor } = await stage.client.executors.getExecutor({ executorId });
  expect(executor?.state).toBe(ExecutorState.DRAINING);
  expect(await stage.here("--quiet", "executors", "drain", executorId)).toEqual({ code: 0, out: "", err: "" });
});

test.each([
  [["executors", "nobody"], /^maestro: "nobody" is no executor's id or name\n$/],
  [["executors", "drain", "exec_00000000000000000000000000"], /^maestro: refused: NOT_FOUND — /],
])("%j finds nothing: exit code 1", async (args, said) => {
  const { code, out, err } = await stage.here(...args);
  expect(err).toMatch(said);
  expect([code, out]).toEqual([1, ""]);
});
