// What a command step's input may say, and its check. Not here: running it, see command.ts.
import { ARTIFACTS, MARK, OUTPUTS } from "./environment.ts";

/** A command to run. Only `run` is needed. */
export interface CommandSpec {
  /** Text for a shell, or a program with its arguments, which no shell sees. */
  readonly run: string | readonly string[];
  /** Default: the executor's own. */
  readonly cwd?: string;
  /** Beyond the little that passes from the executor's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: /bin/sh, on Windows cmd. */
  readonly shell?: string;
  /** No limit unless given. */
  readonly timeoutMs?: number;
  /** From TERM to KILL. Default 5,000. */
  readonly graceMs?: number;
  /** Bytes kept of the end of each stream. Default 8,192. */
  readonly tailBytes?: number;
  /** Default: no input. */
  readonly stdin?: string;
  /** Whether MAESTRO_OUTPUTS names a file for structured outputs. Default true. */
  readonly outputsFile?: boolean;
}

export const GRACE_MS = 5_000;
export const TAIL_BYTES = 8_192;
const MOST_TAIL_BYTES = 32_768;
/** A timer cannot be set for longer. */
const LONGEST_MS = 24 * 86_400_000;
const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export interface SpecProblem {
  /** As in `env.PATH` or `run[1]`; empty for the input itself. */
  readonly path: string;
  readonly message: string;
}

export type ParsedCommandSpec =
  { readonly ok: true; readonly spec: CommandSpec } | { readonly ok: false; readonly problems: readonly SpecProblem[] };

type Mutable = { -readonly [Name in keyof CommandSpec]: CommandSpec[Name] };
type Tell = (path: string, message: string) => void;

/** Each key of the input, and what it adds to the command. */
const KEYS: Readonly<Record<string, (value: unknown, spec: Mutable, tell: Tell) => void>> = {
  run: (value, spec, tell) => {
    if (typeof value === "string") {
      if (value.trim() === "") tell("run", "must not be empty");
      spec.run = text(value, "run", tell) ?? "";
    } else if (Array.isArray(value)) {
      if (value.length === 0 || value[0] === "") tell("run", "must name a program");
      spec.run = value.map((part, index) => text(part, `run[${index}]`, tell) ?? "");
    } else tell("run", "must be text for a shell, or a list: a program and its arguments");
  },
  cwd: (value, spec, tell) => (spec.cwd = filled(value, "cwd", tell)),
  shell: (value, spec, tell) => (spec.shell = filled(value, "shell", tell)),
  stdin: (value, spec, tell) => {
    if (typeof value === "string") spec.stdin = value;
    else tell("stdin", "must be text");
  },
  timeout: (value, spec, tell) => {
    spec.timeoutMs = span(value, "timeout", tell);
    if (spec.timeoutMs === 0) tell("timeout", "must be more than nothing");
  },
  grace: (value, spec, tell) => (spec.graceMs = span(value, "grace", tell)),
  tailBytes: (value, spec, tell) => {
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= MOST_TAIL_BYTES) {
      spec.tailBytes = value;
    } else tell("tailBytes", `must be a whole number from 0 to ${MOST_TAIL_BYTES}`);
  },
  outputsFile: (value, spec, tell) => {
    if (typeof value === "boolean") spec.outputsFile = value;
    else tell("outputsFile", "must be true or false");
  },
  env: (value, spec, tell) => {
    if (!isRecord(value)) return tell("env", "must be an object of names and texts");
    const env = Object.entries(value).map(([name, entry]) => [name, variable(name, entry, tell)] as const);
    spec.env = Object.fromEntries(env);
  },
};

/** Words that people try, and the key they mean. */
const MEANT: Readonly<Record<string, string>> = {
  ...{ command: "run", cmd: "run", script: "run", exec: "run", args: "run", argv: "run" },
  ...{ dir: "cwd", directory: "cwd", workdir: "cwd", workingDirectory: "cwd", working_directory: "cwd" },
  ...{ environment: "env", variables: "env", timeoutMs: "timeout", timeout_ms: "timeout", timeoutSeconds: "timeout" },
  ...{ graceMs: "grace", grace_ms: "grace", input: "stdin", outputs: "outputsFile", tail: "tailBytes" },
};

/** Checks a command step's input, and finds every mistake at once. */
export function parseCommandSpec(input: unknown): ParsedCommandSpec {
  const problems: SpecProblem[] = [];
  const tell: Tell = (path, message) => void problems.push({ path, message });
  if (!isRecord(input)) {
    return { ok: false, problems: [{ path: "", message: "must be an object with `run`" }] };
  }
  const spec: Mutable = { run: "" };
  if (!Object.hasOwn(input, "run")) tell("run", "is missing");
  for (const [key, value] of Object.entries(input)) {
    const take = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (take === undefined) tell(key, unknownKey(key));
    else take(value, spec, tell);
  }
  if (spec.shell !== undefined && typeof spec.run !== "string") {
    tell("shell", "is of no use when `run` is a list, which no shell sees");
  }
  return problems.length === 0 ? { ok: true, spec } : { ok: false, problems };
}

function unknownKey(key: string): string {
  const names = Object.keys(KEYS);
  const near = Object.hasOwn(MEANT, key) ? MEANT[key] : names.find((name) => distance(key.toLowerCase(), name) <= 2);
  return near === undefined ? `is unknown; known are ${names.join(", ")}` : `is unknown; did you mean \`${near}\`?`;
}

/** Changed, missing and surplus letters between two words (Levenshtein 1966), for words short enough to be keys. */
function distance(a: string, b: string): number {
  if (a.length > 32) return a.length;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function variable(name: string, value: unknown, tell: Tell): string {
  const path = /^\w+$/.test(name) ? `env.${name}` : `env[${JSON.stringify(name)}]`;
  if (name === "" || /[=\0]/.test(name)) tell(path, "is no name of a variable");
  if ([MARK, OUTPUTS, ARTIFACTS].includes(name)) tell(path, "is set by the executor");
  if (typeof value === "number" || typeof value === "boolean") {
    tell(path, `must be text; put it in quotes: "${value}"`);
    return "";
  }
  return text(value, path, tell) ?? "";
}

/** Text for the system, which ends at a NUL. */
function text(value: unknown, path: string, tell: Tell): string | undefined {
  if (typeof value !== "string") tell(path, "must be text");
  else if (value.includes("\0")) tell(path, "must not hold a NUL character");
  else return value;
  return undefined;
}

function filled(value: unknown, path: string, tell: Tell): string {
  if (value === "") tell(path, "must not be empty");
  return text(value, path, tell) ?? "";
}

/** Milliseconds of a number, or of text such as `10m`, `1h30m`, `2.5s`. */
function span(value: unknown, path: string, tell: Tell): number {
  let ms = typeof value === "number" ? value : Number.NaN;
  if (typeof value === "string" && /^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(value)) {
    const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
    ms = parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit as keyof typeof UNITS], 0);
  }
  if (Number.isNaN(ms)) tell(path, "must be a time span such as `90s`, `10m` or `1h30m`, or milliseconds");
  else if (ms < 0 || ms > LONGEST_MS) tell(path, "must be between nothing and 24 days");
  return Math.round(ms);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
