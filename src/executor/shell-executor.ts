// The shell executor: performs steps of capability `shell` by running their commands on this host. Not here: how a command
// is run and ended (shell/), nor the connection (executor.ts).
import type { JsonObject } from "@bufbuild/protobuf";
import { systemClock } from "../support/clock.ts";
import type { Clock } from "../support/clock.ts";
import { INLINE_BYTES } from "./convert.ts";
import { Executor, Interruption, PermanentError, Refuse, TransientError } from "./executor.ts";
import type { ExecutorOptions, InterruptionCause, Step, StepContext } from "./executor.ts";
import { contentOfFile } from "./shell/artifacts-file.ts";
import type { ArtifactFile } from "./shell/artifacts-file.ts";
import { runCommand } from "./shell/command.ts";
import type { CommandResult } from "./shell/command.ts";
import { parseCommandSpec } from "./shell/spec.ts";
import type { CommandSpec } from "./shell/spec.ts";

export interface ShellExecutorOptions extends ExecutorOptions {
  /**
   * Ids of the orgs whose steps it takes; it refuses all others, whatever its key may do. `own` takes those of the org that
   * the server says its credential belongs to.
   */
  readonly orgs: readonly string[] | "own";
  /** Capabilities it takes; `["shell"]` unless given. */
  readonly capabilities?: readonly string[];
}

/**
 * Makes it; `start()` attaches it. Its outputs: `exit_code`, the ends of `stdout` and `stderr`, and what the command wrote to
 * MAESTRO_OUTPUTS. Files that the command named in MAESTRO_ARTIFACTS are put into Maestro's keeping and named as artifacts.
 */
export function shellExecutor(options: ShellExecutorOptions): Executor {
  const { orgs, capabilities = ["shell"], observe, clock = systemClock, ...rest } = options;
  let own: string | undefined;
  const executor = new Executor({
    ...rest,
    clock,
    observe: (event) => {
      if (event.kind === "attached") own = event.orgId;
      observe?.(event);
    },
  });
  const takes = (orgId: string): boolean => (orgs === "own" ? orgId === own : orgs.includes(orgId));
  for (const capability of capabilities) {
    executor.on(capability, async (step, context) => {
      if (!takes(step.orgId)) throw new Refuse(`this executor takes no steps of org ${step.orgId}`, "executor.orgs");
      return performCommand(step, context, clock);
    });
  }
  return executor;
}

async function performCommand(step: Step, context: StepContext, clock: Clock): Promise<JsonObject> {
  const parsed = parseCommandSpec(step.input);
  if (!parsed.ok) {
    const problems = parsed.problems.map(({ path, message }) =>
      path === "" ? `the input ${message}` : `${path} ${message}`,
    );
    throw new PermanentError(`this is no command: ${problems.join("; ")}`, { problems });
  }
  const spec: CommandSpec = { ...parsed.spec, env: { ...parsed.spec.env, ...variables(step, context) } };
  const result = await runCommand(spec, {
    onLog: ({ stream, text }) => context.log(text, stream),
    signal: context.signal,
    clock,
  });
  if (isFine(result)) {
    for (const file of result.artifacts ?? []) await keep(file, context);
    return outputsOf(result);
  }
  const why: unknown = context.signal.reason;
  throw failureOf(result, why instanceof Interruption ? why.cause : "stopped");
}

function isFine({ reason, exitCode, outputsError, artifactsError }: CommandResult): boolean {
  return reason === "exited" && exitCode === 0 && outputsError === undefined && artifactsError === undefined;
}

/** A file that cannot be read is the command's mistake; whatever else goes wrong is said by who keeps it. */
async function keep({ name, path, contentType }: ArtifactFile, context: StepContext): Promise<void> {
  let unreadable: unknown;
  const content = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* contentOfFile(path);
    } catch (error) {
      unreadable = error;
      throw error;
    }
  };
  try {
    await context.putArtifact(content(), { name, ...(contentType !== undefined && { contentType }) });
  } catch (error) {
    if (unreadable === undefined) throw error;
    const why = unreadable instanceof Error ? unreadable.message : "it cannot be read";
    throw new PermanentError(`artifact "${name}" cannot be read: ${why}`, { name, path });
  }
}

/** What a command gets to know of its step. */
function variables(step: Step, context: StepContext): Record<string, string> {
  return {
    MAESTRO_ORG: step.orgId,
    MAESTRO_PLAN: step.planId,
    MAESTRO_STEP: step.key,
    MAESTRO_PURPOSE: context.purpose,
    MAESTRO_ATTEMPT: String(context.attempt),
    MAESTRO_FENCING: String(step.fencing),
    MAESTRO_IDEMPOTENCY_KEY: context.idempotencyKey,
    ...(step.traceparent !== "" && { TRACEPARENT: step.traceparent }),
  };
}

/** The command's own words win over ours, and what would be too large to travel loses its tails. */
function outputsOf({ exitCode, stdoutTail, stderrTail, outputs = {} }: CommandResult): JsonObject {
  const own = outputs as JsonObject;
  const all: JsonObject = { exit_code: exitCode, stdout: stdoutTail, stderr: stderrTail, ...own };
  return Buffer.byteLength(JSON.stringify(all)) <= INLINE_BYTES ? all : { exit_code: exitCode, ...own };
}

/** Why a command was ended before it ended by itself. */
const ENDED: Readonly<Record<InterruptionCause, string>> = {
  stopped: "its step was stopped",
  lost: "the lease of its step was lost",
  deadline: "the step's timeout was up",
  shutdown: "its executor was told to end at once",
};

function failureOf(result: CommandResult, cause: InterruptionCause): Error {
  const { reason, exitCode, signal, spawnError, stdoutTail, stderrTail, wallMs, cpuMs, maxRssBytes } = result;
  const leftError = result.outputsError ?? result.artifactsError ?? "the command failed";
  const details = {
    reason: reason === "cancelled" && cause === "deadline" ? "timeout" : reason,
    exit_code: exitCode,
    signal,
    stdout: stdoutTail,
    stderr: stderrTail,
    wall_ms: wallMs,
    ...(cpuMs !== undefined && { cpu_ms: cpuMs }),
    ...(maxRssBytes !== undefined && { max_rss_bytes: maxRssBytes }),
  };
  if (spawnError !== undefined) return new PermanentError(spawnError, details);
  if (reason === "timeout")
    return new TransientError(`the command was ended after ${wallMs} ms: its own time limit was up`, details);
  if (reason === "cancelled")
    return new TransientError(`the command was ended after ${wallMs} ms: ${ENDED[cause]}`, details);
  if (exitCode === 0) return new PermanentError(leftError, details);
  const how = signal === null ? `with exit code ${exitCode ?? "unknown"}` : `by signal ${signal}`;
  return new TransientError(`the command ended ${how}${lastWords(stderrTail, stdoutTail)}`, details);
}

/** The last line that says something; Node ends every crash with its version. */
function lastWords(...tails: readonly string[]): string {
  const lines = tails.map((tail) => tail.split("\n").map((line) => line.trim()));
  const line = lines
    .map((all) => all.findLast((text) => text !== "" && !/^Node\.js v\d/.test(text)))
    .find((text) => text !== undefined);
  return line === undefined ? "" : `: ${line.slice(0, 200)}`;
}
