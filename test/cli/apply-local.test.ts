// `maestro apply --local`: a server on the embedded engine and a shell executor in the command's own process. Not here:
// applying to a server, see apply.test.ts.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { gone, pidIn } from "../executor/shell-support.ts";
import { maestro } from "./command.ts";
import type { Running } from "./command.ts";
import { planIn } from "./stage.ts";

const folder = mkdtempSync(join(tmpdir(), "maestro cli-"));
const running: Running[] = [];
afterAll(async () => {
  for (const one of running) one.signal("SIGKILL");
  await Promise.all(running.map(({ ended }) => ended));
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

function apply(...args: readonly string[]): Running {
  const one = maestro(["apply", ...args, "--local", "--data-dir", "data"], { cwd: folder });
  running.push(one);
  return one;
}

function file(name: string, steps: string): string {
  writeFileSync(join(folder, name), `charter: { name: local }\ngoal: { name: local }\nsteps:\n${steps}`);
  return name;
}

function read(name: string): string {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

test(
  "performs a plan with nothing else there, and finds what it did when it is applied again",
  { timeout: 60_000 },
  async () => {
    const plan = file(
      "plan.yaml",
      `  write: { capability: shell, input: { run: "echo $MAESTRO_STEP > written && echo '{\\"words\\":1}' > $MAESTRO_OUTPUTS" } }
  read: { capability: shell, needs: [write], input: { run: [sh, -c, 'cat written; echo "$1"', sh, "\${{ string(steps.write.outputs.words) }}"] } }
`,
    );
    const first = await apply(plan).ended;
    expect(first.err).toBe("");
    expect(first.out).toMatch(/^1 +read +shell /m);
    expect(first.out).toMatch(/; 2 of 2 steps succeeded;/);
    expect(first.code).toBe(0);
    const again = await apply(plan).ended;
    expect(again.out).toContain(`nothing changed: ${planIn(first.out)} stays as it is\n`);
    expect(again.code).toBe(0);
  },
);

test(
  "interrupted, it ends its commands; applied again, the plan goes on where it was",
  { timeout: 60_000 },
  async () => {
    const plan = file(
      "held.yaml",
      `  done: { capability: shell, input: { run: echo once >> ran } }
  held: { capability: shell, needs: [done], input: { run: "if [ -e go ]; then exit 0; fi; echo $$ > pid; exec sleep 300" } }
`,
    );
    const one = apply(plan);
    await one.line(/▶ held LEASED/);
    await expect.poll(() => read("pid"), { timeout: 10_000 }).toMatch(/^\d+\n$/);
    one.signal("SIGINT");
    const { code, err } = await one.ended;
    expect(code).toBe(130);
    expect(err).toBe("stopped; applying it again goes on from here\n");
    await gone(pidIn(read("pid")));

    writeFileSync(join(folder, "go"), "");
    const again = await apply(plan).ended;
    expect(again.out).toMatch(/; 2 of 2 steps succeeded;/);
    expect(again.code).toBe(0);
    // What was done stays done.
    expect(read("ran")).toBe("once\n");
  },
);

test("a wrong file is told before anything is started", async () => {
  const { code, err } = await apply(file("wrong.yaml", "  a: { capability: shell, needs: [b], input: { run: x } }\n"))
    .ended;
  expect(code).toBe(2);
  expect(err).toMatch(/^wrong\.yaml:4:\d+: steps\.a\.needs.*\n1 mistake in wrong\.yaml\n$/);
});
