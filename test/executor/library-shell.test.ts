// The shell executor against a foreign peer, with real commands. Not here: commands as such, see the shell's own tests.
import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Assignment, Outcome } from "../../gen/maestro/v1/dispatch_pb.ts";
import { PayloadSchema } from "../../gen/maestro/v1/payload_pb.ts";
import { ErrorClass } from "../../gen/maestro/v1/step_pb.ts";
import type { Executor } from "../../src/executor/executor.ts";
import { readProcess } from "../../src/executor/shell/process-table.ts";
import { shellExecutor } from "../../src/executor/shell-executor.ts";
import { systemClock } from "../../src/support/clock.ts";
import { Peer, assignment } from "./library-peer.ts";
import type { PeerStream } from "./library-peer.ts";

let peer: Peer;
let executor: Executor | undefined;

beforeEach(async () => {
  peer = await Peer.start();
});

afterEach(() => {
  executor?.close();
  peer.stop();
});

async function attached(orgs: readonly string[] | "own" = "own"): Promise<PeerStream> {
  executor = shellExecutor({ url: peer.url, name: "sh", drainOn: [], orgs });
  const started = executor.start();
  const stream = await peer.stream(0);
  stream.welcome();
  await started;
  return stream;
}

function command(input: object, parts: Partial<Assignment> = {}): Assignment {
  const payload = create(PayloadSchema, { value: { case: "json", value: JSON.stringify(input) } });
  return assignment("a", { capability: "shell", input: payload, ...parts });
}

async function outcomeOf(stream: PeerStream, given: Assignment): Promise<Outcome> {
  stream.assign(given);
  await stream.until(({ outcomes }) => outcomes.length === 1);
  return stream.outcomes[0]!;
}

test("a command's lines, exit code, tails and own outputs are told, and it knows its step", async () => {
  const stream = await attached();
  const script = `
    console.log(process.env.MAESTRO_STEP, process.env.MAESTRO_ATTEMPT, process.env.MAESTRO_IDEMPOTENCY_KEY);
    console.error("careful");
    require("node:fs").writeFileSync(process.env.MAESTRO_OUTPUTS, JSON.stringify({ tarball: "t.tgz" }));`;
  const { result, usage } = await outcomeOf(stream, command({ run: [process.execPath, "-e", script] }));
  const text = result.case === "success" ? result.value.outputs?.value.value : undefined;
  expect(JSON.parse(text as string)).toEqual({
    exit_code: 0,
    stdout: "a 1 key-a\n",
    stderr: "careful\n",
    tarball: "t.tgz",
  });
  const lines = stream.renewals.flatMap((renewal) => renewal.lines.map((line) => `${line.stream}: ${line.text}`));
  expect(lines.sort()).toEqual(["stderr: careful", "stdout: a 1 key-a"]);
  expect(Number(usage?.wall?.nanos) + Number(usage?.wall?.seconds)).toBeGreaterThan(0);
});

test("a command that fails may be tried again, and says how it ended", async () => {
  const { result } = await outcomeOf(
    await attached(),
    command({ run: [process.execPath, "-e", "console.error('no luck'); process.exit(3)"] }),
  );
  expect(result).toMatchObject({
    case: "failure",
    value: { errorClass: ErrorClass.TRANSIENT, message: "the command ended with exit code 3: no luck" },
  });
  const details = result.case === "failure" ? (JSON.parse(result.value.detailsJson) as object) : {};
  expect(details).toMatchObject({ reason: "exited", exit_code: 3, signal: null, stderr: "no luck\n" });
});

test("an input that is no command fails for good, with every mistake", async () => {
  const { result } = await outcomeOf(await attached(), command({ command: "ls", cwd: 3 }));
  expect(result).toMatchObject({ case: "failure", value: { errorClass: ErrorClass.PERMANENT } });
  expect(result.case === "failure" && result.value.message).toMatch(
    /run is missing.*command is unknown; did you mean `run`.*cwd must be text/,
  );
});

test("steps of an org that it does not name are refused", async () => {
  const { result } = await outcomeOf(await attached(["org_other"]), command({ run: "exit 0" }));
  expect(result).toMatchObject({ case: "refusal", value: { rule: "executor.orgs" } });
});

test("a stop ends the whole tree of the command", async () => {
  const stream = await attached();
  const child = `setInterval(() => {}, 1000); console.log(process.pid)`;
  const script = `require("node:child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}], { stdio: "inherit" }); setInterval(() => {}, 1000);`;
  const given = command({ run: [process.execPath, "-e", script], grace: "1s" });
  stream.assign(given);
  await stream.until(({ renewals }) => renewals.some(({ lines }) => lines.length > 0));
  const grandchild = Number(stream.renewals.flatMap(({ lines }) => lines)[0]?.text);
  expect(() => process.kill(grandchild, 0)).not.toThrow();
  stream.say({ case: "stops", value: { stops: [{ lease: given.lease!, reason: "cancelled", outcomeWanted: true }] } });
  await stream.until(({ outcomes }) => outcomes.length === 1);
  expect(stream.outcomes[0]?.result.case).toBe("stopped");
  // Where nobody waits for orphans, a dead one stays in the table.
  expect(readProcess(grandchild)?.dead ?? true).toBe(true);
});

test("a command that is ended by its step's timeout says so", async () => {
  const stream = await attached();
  const nearMs = systemClock.nowMs() + 200;
  const deadline = { seconds: BigInt(Math.floor(nearMs / 1000)), nanos: Math.floor(nearMs % 1000) * 1_000_000 };
  const { result } = await outcomeOf(
    stream,
    command({ run: ["sleep", "300"] }, { deadline: create(TimestampSchema, deadline) }),
  );
  expect(result.value).toMatchObject({
    errorClass: ErrorClass.TIMEOUT,
    message: expect.stringMatching(/^the command was ended after \d+ ms: the step's timeout was up$/) as unknown,
  });
});
