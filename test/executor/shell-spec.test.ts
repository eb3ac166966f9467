// The check of a command step's input. Not here: what the commands do.
import { expect, test } from "vitest";
import { parseCommandSpec } from "../../src/executor/shell/spec.ts";

const KEYS = "run, cwd, shell, stdin, timeout, grace, tailBytes, outputsFile, env";

test("takes a whole command, and reads time spans", () => {
  const input = {
    run: "npm test",
    cwd: "packages/a",
    env: { CI: "1" },
    shell: "/bin/bash",
    timeout: "1h30m",
    grace: 250,
    stdin: "yes\n",
    tailBytes: 100,
    outputsFile: false,
  };
  expect(parseCommandSpec(input)).toEqual({
    ok: true,
    spec: {
      run: "npm test",
      cwd: "packages/a",
      env: { CI: "1" },
      shell: "/bin/bash",
      timeoutMs: 5_400_000,
      graceMs: 250,
      stdin: "yes\n",
      tailBytes: 100,
      outputsFile: false,
    },
  });
  expect(parseCommandSpec({ run: ["tar", "-c", ""] })).toEqual({ ok: true, spec: { run: ["tar", "-c", ""] } });
});

test.each([
  ["10m", 600_000],
  ["2.5s", 2_500],
  ["750ms", 750],
  ["1d", 86_400_000],
  [90_000, 90_000],
])("reads %s as a time span", (timeout, timeoutMs) => {
  expect(parseCommandSpec({ run: "x", timeout })).toEqual({ ok: true, spec: { run: "x", timeoutMs } });
});

test.each([
  [null, "", "must be an object with `run`"],
  ["npm test", "", "must be an object with `run`"],
  [{}, "run", "is missing"],
  [{ run: " " }, "run", "must not be empty"],
  [{ run: [] }, "run", "must name a program"],
  [{ run: 3 }, "run", "must be text for a shell, or a list: a program and its arguments"],
  [{ run: ["a", 1] }, "run[1]", "must be text"],
  [{ run: "a\0b" }, "run", "must not hold a NUL character"],
  [{ run: "x", cwd: "" }, "cwd", "must not be empty"],
  [{ run: "x", timeout: "soon" }, "timeout", "must be a time span such as `90s`, `10m` or `1h30m`, or milliseconds"],
  [{ run: "x", timeout: 0 }, "timeout", "must be more than nothing"],
  [{ run: "x", timeout: "25d" }, "timeout", "must be between nothing and 24 days"],
  [{ run: "x", grace: -1 }, "grace", "must be between nothing and 24 days"],
  [{ run: "x", tailBytes: 1e9 }, "tailBytes", "must be a whole number from 0 to 32768"],
  [{ run: "x", stdin: 1 }, "stdin", "must be text"],
  [{ run: "x", outputsFile: "yes" }, "outputsFile", "must be true or false"],
  [{ run: "x", env: ["A=1"] }, "env", "must be an object of names and texts"],
  [{ run: "x", env: { PORT: 80 } }, "env.PORT", 'must be text; put it in quotes: "80"'],
  [{ run: "x", env: { "A=B": "1" } }, 'env["A=B"]', "is no name of a variable"],
  [{ run: "x", env: { MAESTRO_OUTPUTS: "/f" } }, "env.MAESTRO_OUTPUTS", "is set by the executor"],
  [{ run: "x", env: { MAESTRO_ARTIFACTS: "/f" } }, "env.MAESTRO_ARTIFACTS", "is set by the executor"],
  [{ run: ["x"], shell: "bash" }, "shell", "is of no use when `run` is a list, which no shell sees"],
  [{ run: "x", command: "y" }, "command", "is unknown; did you mean `run`?"],
  [{ run: "x", timeuot: 1 }, "timeuot", "is unknown; did you mean `timeout`?"],
  [{ run: "x", toString: 1 }, "toString", `is unknown; known are ${KEYS}`],
])("refuses %j, naming the place", (input, path, message) => {
  expect(parseCommandSpec(input)).toEqual({ ok: false, problems: [{ path, message }] });
});

test("finds every mistake at once", () => {
  const parsed = parseCommandSpec({ cmd: "x", timeout: [], env: { A: null, B: 1 } });
  expect(parsed.ok ? [] : parsed.problems.map(({ path }) => path)).toEqual(["run", "cmd", "timeout", "env.A", "env.B"]);
});
