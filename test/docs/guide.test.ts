// The TypeScript of the executor guide performs steps, says what went wrong, stops and drains. Not here: the executors in other
// languages, see test/clients, and whether the guide shows them, see scripts/check-docs.ts.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { StepState } from "../../gen/maestro/v1/step_pb.ts";
import { NODE, Running } from "../cli/command.ts";
import { planIn, Stage } from "../cli/stage.ts";

const EXECUTOR = fileURLToPath(new URL("../clients/typescript/executor.ts", import.meta.url));
const TIME = { timeout: 120_000 };

let stage: Stage;
let executor: Running;
beforeAll(async () => {
  stage = await Stage.open();
  executor = new Running([...NODE, EXECUTOR, `http://${stage.server.grpcUrl}`, "guide", "4"], { cwd: stage.folder });
}, TIME.timeout);
afterAll(async () => {
  executor.signal("SIGKILL");
  await executor.ended;
  await stage.close();
});

test("it performs steps, fails for good on a wrong input, is stopped, and drains", TIME, async () => {
  const go = join(stage.folder, "go");
  const steps = `  a: { capability: double, input: { n: 3 } }
  b: { capability: double, input: { n: "\${{ steps.a.outputs.n }}" } }
  wrong: { capability: double, input: {}, retry: { max: 3 }, on_failure: carry_on }
  waits: { capability: await-file, input: { path: "${go}" }, needs: [b] }
`;
  const planId = planIn((await stage.here("apply", stage.file("guide", steps), "--detach")).out);
  const step = async (key: string) => (await stage.client.steps.getStep({ planId, step: key })).step;
  const reaches = (key: string, state: StepState) =>
    vi.waitFor(async () => expect((await step(key))?.state).toBe(state), { timeout: 60_000, interval: 100 });
  await reaches("waits", StepState.LEASED);
  expect((await step("b"))?.outputs?.value).toEqual({ case: "json", value: '{"n":12}' });
  await reaches("wrong", StepState.FAILED);
  expect(await step("wrong")).toMatchObject({ attempt: 1, failure: { message: "the input has no number n" } });

  const other = stage.file("stopped", `  never: { capability: await-file, input: { path: "${go}.never" } }\n`);
  const stopped = planIn((await stage.here("apply", other, "--detach")).out);
  await vi.waitFor(
    async () =>
      expect((await stage.client.steps.getStep({ planId: stopped, step: "never" })).step?.state).toBe(StepState.LEASED),
    { timeout: 60_000, interval: 100 },
  );
  await stage.here("cancel", stopped);

  // What runs is finished after the signal, and then the process ends.
  executor.signal("SIGTERM");
  writeFileSync(go, "");
  expect(await executor.ended).toEqual({ code: 0, out: "", err: "" });
  await reaches("waits", StepState.SUCCEEDED);
  expect((await stage.client.plans.getPlan({ planId: stopped })).plan?.state).toBe(PlanState.CANCELLED);
});
