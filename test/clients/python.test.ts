// A Python executor on stubs generated from the contract, against a real server: the contract can be met from outside.
// Not here: our own executor library.
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { CharterTermsSchema } from "../../gen/maestro/v1/charter_pb.ts";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { StepState } from "../../gen/maestro/v1/step_pb.ts";
import { writeThirdPartyProtos } from "../../scripts/proto/third-party.ts";
import { connectTo } from "../../src/cli/client.ts";
import type { ServerClient } from "../../src/cli/client.ts";
import { follow } from "../../src/cli/follow.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startServer } from "../support/server-process.ts";
import type { ServerProcess } from "../support/server-process.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = join(root, "test", "clients", "python");
const python = findPython();
const required = process.env["MAESTRO_TEST_NO_SKIPS"] === "1";
if (python === undefined && !required) {
  console.warn(
    "SKIPPED: the Python client. Make test/clients/python/.venv (python3 -m venv) and install requirements.txt into it, or name a Python that has them with MAESTRO_TEST_PYTHON.",
  );
}

/** A Python that has the generator; one that is looked for, never installed. */
function findPython(): string | undefined {
  const venv = join(folder, ".venv", process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
  return [process.env["MAESTRO_TEST_PYTHON"], venv, "python3"].find(
    (candidate) =>
      candidate !== undefined && spawnSync(candidate, ["-c", "import grpc_tools"], { stdio: "ignore" }).status === 0,
  );
}

class PythonExecutor {
  readonly said: Record<string, unknown>[] = [];
  readonly exited: Promise<number | null>;
  readonly #process: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor(stubs: string, target: string, name: string) {
    this.#process = spawn(python ?? "", [join(folder, "executor.py"), target, name, "2"], {
      env: { ...process.env, PYTHONPATH: stubs },
      stdio: ["ignore", "pipe", "inherit"],
    });
    createInterface({ input: this.#process.stdout! }).on("line", (line) => {
      this.said.push(JSON.parse(line) as Record<string, unknown>);
      this.#waiting.forEach((check) => check());
    });
    this.exited = new Promise((resolve) => this.#process.once("exit", resolve));
  }

  until(condition: (said: readonly Record<string, unknown>[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition(this.said)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  terminate(): void {
    this.#process.kill("SIGTERM");
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }
}

test("a Python with the packages of requirements.txt is there where nothing may be skipped", () => {
  expect(python !== undefined || !required).toBe(true);
});

describe.skipIf(python === undefined)("an executor in Python", () => {
  let scratch: string;
  let database: TestDatabase;
  let server: ServerProcess;
  let client: ServerClient;
  let executor: PythonExecutor;

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), "maestro-python-"));
    const stubs = join(scratch, "stubs");
    generate(stubs);
    database = await makeDatabase(inject("servers")[0]!);
    server = await startServer({ databaseUrl: database.url });
    client = connectTo(`http://127.0.0.1:${server.ports.wide}`, undefined);
    await client.maestro.declareCharter({
      name: "python",
      terms: create(CharterTermsSchema, {}),
      idempotencyKey: client.newKey(),
    });
    executor = new PythonExecutor(stubs, server.target, "snake");
    await executor.until((said) => said.length > 0);
  });

  afterAll(async () => {
    executor?.kill();
    client?.close();
    await server?.stop();
    await database?.drop();
    rmSync(scratch, { recursive: true, force: true });
  });

  /** Python packages of the contract, and of the rules that it imports. */
  function generate(stubs: string): void {
    const thirdParty = join(scratch, "protos");
    writeThirdPartyProtos(join(root, "node_modules"), thirdParty);
    const ours = readdirSync(join(root, "proto", "maestro", "v1")).filter((name) => name.endsWith(".proto"));
    const files = [...ours.map((name) => `maestro/v1/${name}`), "buf/validate/validate.proto"];
    const made = spawnSync(
      python ?? "",
      [
        "-c",
        "import os, sys; os.makedirs(sys.argv[1]); from grpc_tools import protoc; import importlib.resources as r; sys.exit(protoc.main(['protoc', '-I' + str(r.files('grpc_tools') / '_proto')] + sys.argv[2:]))",
        stubs,
        `-I${join(root, "proto")}`,
        `-I${thirdParty}`,
        `--python_out=${stubs}`,
        `--grpc_python_out=${stubs}`,
        ...files,
      ],
      { encoding: "utf8" },
    );
    if (made.status !== 0 || !existsSync(join(stubs, "maestro", "v1")))
      throw new Error(`no stubs were generated: ${made.stderr}`);
  }

  async function plan(steps: Record<string, { n: unknown; seconds?: number; cut?: boolean }>): Promise<string> {
    const definitions = Object.entries(steps).map(([key, input]) => ({
      key,
      kind: { case: "work" as const, value: { capability: "py.double" } },
      input: { value: { case: "json" as const, value: JSON.stringify(input) } },
    }));
    const made = await client.maestro.plan({
      target: { case: "newGoal", value: { charter: "python", spec: { name: "doubling" } } },
      steps: definitions,
      idempotencyKey: client.newKey(),
    });
    return made.plan!.planId;
  }

  async function ended(planId: string): Promise<PlanState> {
    for await (const followed of follow(client, planId, 0n, AbortSignal.timeout(25_000))) {
      if (followed.kind === "ended") return followed.plan.state;
    }
    throw new Error("the plan did not end in time");
  }

  test("attaches, takes assignments, and its outputs flow on", async () => {
    const planId = await plan({ a: { n: 3 }, b: { n: "${{ steps.a.outputs.n }}" } });
    expect(await ended(planId)).toBe(PlanState.COMPLETED);
    const { step } = await client.steps.getStep({ planId, step: "b" });
    expect(step?.outputs?.value.value).toBe('{"n": 12}');
  });

  test("keeps its lease over a stream that breaks: the step is performed once", async () => {
    const before = executor.said.length;
    const planId = await plan({ long: { n: 1, seconds: 1, cut: true } });
    expect(await ended(planId)).toBe(PlanState.COMPLETED);
    const said = executor.said.slice(before);
    expect(said.filter((line) => "began" in line)).toHaveLength(1);
    expect(said.find((line) => "attached" in line)).toMatchObject({ resumed: 1 });
    const { attempts } = await client.steps.listAttempts({ planId, step: "long" });
    expect(attempts).toHaveLength(1);
  });

  test("stops an attempt when its plan is cancelled", async () => {
    const planId = await plan({ endless: { n: 1, seconds: 600 } });
    await executor.until((said) => said.some(({ began }) => began === "endless"));
    await client.plans.cancelPlan({ planId, reason: "enough", idempotencyKey: client.newKey() });
    expect(await ended(planId)).toBe(PlanState.CANCELLED);
    const { step } = await client.steps.getStep({ planId, step: "endless" });
    expect(step?.state).toBe(StepState.CANCELLED);
  });

  test("drains when it is told to end", async () => {
    executor.terminate();
    expect(await executor.exited).toBe(0);
    expect(executor.said.at(-1)).toEqual({ closed: true });
  });
});
