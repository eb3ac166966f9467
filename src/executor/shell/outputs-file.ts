// Reads the JSON object that a command may leave as its structured outputs. Not here: whether the step's schema likes it.
import { readLeftFile } from "./left-file.ts";

/** As large as a value that travels inline. */
export const OUTPUTS_BYTES = 262_144;
const NESTING = 64;

export interface CommandOutputs {
  readonly outputs?: Readonly<Record<string, unknown>>;
  /** Why there are none although the command wrote something. One sentence. */
  readonly outputsError?: string;
}

/** No file and an empty file mean no outputs. Never throws: the command chose what it put there. */
export async function readOutputs(path: string): Promise<CommandOutputs> {
  const { text, problem } = await readLeftFile(path, OUTPUTS_BYTES);
  if (text === undefined) return { outputsError: `The outputs file ${problem}.` };
  return text === "" ? {} : parse(text);
}

function parse(text: string): CommandOutputs {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return {
      outputsError: `The outputs file is not JSON: ${(error as SyntaxError).message.replaceAll("\0", "\ufffd")}.`,
    };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { outputsError: "The outputs file must hold a JSON object." };
  }
  const problem = problemIn(value, 1);
  return problem === undefined
    ? { outputs: value as Readonly<Record<string, unknown>> }
    : { outputsError: `The outputs file ${problem}.` };
}

/** What the store would refuse later, said here where the command's author sees it. */
function problemIn(value: unknown, depth: number): string | undefined {
  if (depth > NESTING) return `nests deeper than ${NESTING}`;
  if (typeof value === "number" && Math.abs(value) > Number.MAX_SAFE_INTEGER) {
    return "holds a number beyond ±(2^53 − 1)";
  }
  if (typeof value === "string" && value.includes("\0")) return "holds a NUL character";
  if (typeof value === "string" && !value.isWellFormed()) return "holds half a surrogate pair";
  if (typeof value !== "object" || value === null) return undefined;
  for (const [name, member] of Object.entries(value)) {
    const problem = problemIn(name, depth) ?? problemIn(member, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
