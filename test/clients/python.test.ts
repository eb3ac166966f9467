// The executor in Python, on stubs generated from the contract: the contract can be met from outside. Not here: what it has to
// show (interop.ts), our own executor library.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { testExecutorIn } from "./interop.ts";

const VENV = fileURLToPath(new URL("python/.venv/bin/python3", import.meta.url));

/** A Python that has the generator; one that is looked for, never installed. */
const python = [process.env["MAESTRO_TEST_PYTHON"], VENV, "python3"].find(
  (candidate) =>
    candidate !== undefined && spawnSync(candidate, ["-c", "import grpc_tools"], { stdio: "ignore" }).status === 0,
);

testExecutorIn({
  name: "python",
  missing:
    python === undefined
      ? "Install test/clients/python/requirements.txt into test/clients/python/.venv, or name a Python that has it with MAESTRO_TEST_PYTHON."
      : undefined,
  build: async (workshop) => {
    const program = (await workshop.run(python ?? "", ["-c", "import sys; print(sys.executable)"])).trim();
    const stubs = await workshop.generate(dirname(program));
    return ["/usr/bin/env", `PYTHONPATH=${stubs}`, program, join(workshop.client, "executor.py")];
  },
});
