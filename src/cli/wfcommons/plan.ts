// A recorded workflow as a plan: what was run becomes steps that take as long, scaled. Not here: reading the recording, nor
// performing the steps.
import type { RecordedFile, RecordedTask, Recording } from "./recording.ts";

/** What performs the steps: our simulated executor, or commands that sleep. */
export type Performer = "simulated" | "shell";

export interface PlanOptions {
  /** Seconds that a recorded second becomes. */
  readonly scale: number;
  readonly performer: Performer;
}

/** Capability of steps that the simulated executor performs. */
export const TASK_CAPABILITY = "wfcommons.task";

/** What the simulated executor is handed; the rest of a step's input is for people. */
export interface TaskInput {
  readonly task: string;
  readonly sleep_ms: number;
  readonly written_bytes: number;
  readonly writes: readonly { readonly name: string; readonly bytes: number }[];
}

interface Step {
  readonly title?: string;
  readonly capability: string;
  readonly needs?: readonly string[];
  readonly input: object;
  readonly estimate: string;
  readonly timeout?: string;
  readonly produces?: readonly string[];
  readonly consumes?: readonly string[];
}

/** A plan file, as values: its JSON is one. */
export interface ImportedPlan {
  readonly charter: { readonly name: string; readonly purpose: string };
  readonly goal: { readonly name: string; readonly intent: string; readonly labels: Readonly<Record<string, string>> };
  readonly steps: Readonly<Record<string, Step>>;
}

/** Bounds of a plan file. */
const MOST_ARTIFACTS = 64;
const NAME_BYTES = 255;
/** Steps that take longer than half the usual timeout get one of their own. */
const LONG_MS = 1_800_000;

export function planOf(recording: Recording, options: PlanOptions): ImportedPlan {
  const { name, description, system, schemaVersion, tasks } = recording;
  const keys = keysOf(tasks);
  const flow = flowOf(tasks);
  const steps = tasks.map((task) => [keys.get(task.id) ?? "", stepOf(task, keys, flow, options)] as const);
  return {
    charter: { name: cut(system === "" ? "wfcommons" : system, 128), purpose: "Recorded workflows are run again." },
    goal: {
      name: cut(name, NAME_BYTES),
      intent: cut(description, 16_000),
      labels: { source: "wfcommons", schema: schemaVersion, scale: String(options.scale) },
    },
    steps: Object.fromEntries(steps),
  };
}

function stepOf(
  task: RecordedTask,
  keys: ReadonlyMap<string, string>,
  { produced, consumed }: Flow,
  { scale, performer }: PlanOptions,
): Step {
  const sleepMs = Math.round(task.runtimeS * 1000 * scale);
  const consumes = consumed.get(task.id) ?? [];
  const byFile = new Set(consumes.map(({ maker }) => maker));
  const needs = task.parents.filter((parent) => !byFile.has(parent)).map((parent) => keys.get(parent) ?? "");
  const produces = produced.get(task.id) ?? [];
  return {
    ...(keys.get(task.id) !== task.id && { title: cut(task.id, NAME_BYTES) }),
    capability: performer === "shell" ? "shell" : TASK_CAPABILITY,
    ...(needs.length > 0 && { needs }),
    input: performer === "shell" ? commandOf(task, sleepMs) : inputOf(task, sleepMs, produces, keys),
    estimate: `${Math.max(1, sleepMs)}ms`,
    ...(sleepMs > LONG_MS && { timeout: `${sleepMs * 2}ms` }),
    ...(produces.length > 0 && { produces: produces.map(({ id }) => id) }),
    ...(consumes.length > 0 && { consumes: consumes.map(({ id }) => id) }),
  };
}

function inputOf(
  task: RecordedTask,
  sleepMs: number,
  produces: readonly RecordedFile[],
  keys: ReadonlyMap<string, string>,
): TaskInput & Readonly<Record<string, unknown>> {
  const { id, program, runtimeS, cores, memoryBytes, machine, inputs, outputs, parents } = task;
  return {
    task: id,
    sleep_ms: sleepMs,
    runtime_s: runtimeS,
    ...(isName(program) && { program }),
    ...(machine !== undefined && { machine }),
    ...(cores !== undefined && { cores }),
    ...(memoryBytes !== undefined && { memory_bytes: memoryBytes }),
    ...(parents.length > 0 && { after: parents.map((parent) => keys.get(parent) ?? "") }),
    read_bytes: sum(inputs),
    written_bytes: sum(outputs),
    writes: produces.map(({ id: name, bytes }) => ({ name, bytes })),
  };
}

/** Nothing of the recording stands in the command's text: it was written by others. */
function commandOf(task: RecordedTask, sleepMs: number): object {
  const emit = `echo '{"written_bytes":${sum(task.outputs)}}' > "$MAESTRO_OUTPUTS"`;
  return { run: `sleep ${(sleepMs / 1000).toFixed(3)} && ${emit}`, env: { WFCOMMONS_TASK: task.id } };
}

function sum(files: readonly RecordedFile[]): number {
  const bytes = files.reduce((all, file) => all + file.bytes, 0);
  return Math.min(Number.MAX_SAFE_INTEGER, Math.round(bytes));
}

/** Some systems record whole scripts as the program. */
function isName(program: string): boolean {
  return program !== "" && program.length <= NAME_BYTES && !program.includes("\n");
}

interface Flow {
  /** Files that a task makes for others, by the task's id. */
  readonly produced: ReadonlyMap<string, readonly RecordedFile[]>;
  /** Files that a task has from others, with their makers. */
  readonly consumed: ReadonlyMap<string, readonly (RecordedFile & { readonly maker: string })[]>;
}

/**
 * Files become artifacts where they carry a dependency: the maker is a recorded parent, and the only one. What goes beyond the bounds
 * of a step stays a plain edge, and nothing is said twice.
 */
function flowOf(tasks: readonly RecordedTask[]): Flow {
  const makers = new Map<string, string | undefined>();
  for (const { id, outputs } of tasks)
    for (const file of outputs) makers.set(file.id, makers.has(file.id) && makers.get(file.id) !== id ? undefined : id);
  const produced = new Map<string, RecordedFile[]>();
  const made = new Set<string>();
  const consumed = new Map<string, (RecordedFile & { maker: string })[]>();
  for (const { id, parents, inputs } of tasks) {
    const known = new Set(parents);
    for (const file of inputs) {
      const maker = makers.get(file.id);
      if (maker === undefined || !known.has(maker) || file.id === "" || Buffer.byteLength(file.id) > NAME_BYTES)
        continue;
      const outs = produced.get(maker) ?? [];
      const ins = consumed.get(id) ?? [];
      if (ins.length === MOST_ARTIFACTS || ins.some((other) => other.id === file.id)) continue;
      if (!made.has(file.id)) {
        if (outs.length === MOST_ARTIFACTS) continue;
        made.add(file.id);
        produced.set(maker, [...outs, file]);
      }
      consumed.set(id, [...ins, { ...file, maker }]);
    }
  }
  return { produced, consumed };
}

/** Keys of steps are made from tasks' ids, and stay different where these were. */
function keysOf(tasks: readonly RecordedTask[]): Map<string, string> {
  const keys = new Map<string, string>();
  const taken = new Set<string>();
  for (const { id } of tasks) {
    const plain = id.replaceAll(/[^A-Za-z0-9_-]/g, "_").replace(/^(?![A-Za-z_])/, "_");
    let key = plain.slice(0, 128);
    for (let n = 2; taken.has(key); n++) key = `${plain.slice(0, 120)}_${n}`;
    taken.add(key);
    keys.set(id, key);
  }
  return keys;
}

/** Text of at most that many bytes, never ending inside a character. */
function cut(text: string, bytes: number): string {
  return Buffer.byteLength(text) <= bytes
    ? text
    : Buffer.from(text)
        .subarray(0, bytes - 3)
        .toString("utf8")
        .replace(/\uFFFD+$/, "");
}
