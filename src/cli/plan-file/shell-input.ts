// What can be judged of a shell step's input before it runs: its shape, and references that would become part of a command.
// Not here: the rules of a command themselves, see src/executor/shell/spec.ts.
import { holdsExpression, mayHoldExpression } from "../../domain/expression/template.ts";
import { parseCommandSpec } from "../../executor/shell/spec.ts";
import type { Requests } from "./requests.ts";

interface Found {
  readonly path: string;
  readonly message: string;
}

interface ShellInput {
  readonly path: string;
  /** JSON; empty when there is none. */
  readonly text: string;
}

const SHELL = "shell";
const INJECTS =
  "a reference here becomes part of the shell's text, whatever it holds, commands too; write `run` as a list, or hand it over in `env`";

/** Inputs that no shell executor would take. What references stand for is not known yet: inputs with any are left alone. */
export function wrongShellInputs(requests: Requests): Found[] {
  return shellInputs(requests).flatMap(({ path, text }) => {
    if (mayHoldExpression(text)) return [];
    const parsed = parseCommandSpec(text === "" ? undefined : JSON.parse(text));
    if (parsed.ok) return [];
    return parsed.problems.map((problem) => ({
      path: problem.path === "" ? path : `${path}.${problem.path}`,
      message: problem.message,
    }));
  });
}

/** Commands whose text a reference is put into. */
export function injections(requests: Requests): Found[] {
  return shellInputs(requests).flatMap(({ path, text }) => {
    if (!mayHoldExpression(text)) return [];
    const input = JSON.parse(text) as unknown;
    const run: unknown = typeof input === "object" && input !== null && "run" in input ? input.run : undefined;
    const place = scriptIn(run);
    return place === undefined ? [] : [{ path: `${path}.${place}`, message: INJECTS }];
  });
}

/** Where a shell gets a text with a reference: as the command itself, or as what `sh -c` and its like are told. */
function scriptIn(run: unknown): string | undefined {
  if (typeof run === "string") return holdsExpression(run) ? "run" : undefined;
  if (!Array.isArray(run)) return undefined;
  const [program, flag, script] = run as readonly unknown[];
  const shell = typeof program === "string" && /(^|[/\\])(ba|da|k|z)?sh$/.test(program);
  const told = shell && typeof flag === "string" && /^-[a-z]*c$/.test(flag);
  return told && typeof script === "string" && holdsExpression(script) ? "run[2]" : undefined;
}

function shellInputs({ steps }: Requests): ShellInput[] {
  return steps.flatMap(({ key, kind, input, compensation }) => [
    ...(kind.case === "work" && kind.value.capability === SHELL
      ? [{ path: `steps.${key}.input`, text: jsonOf(input) }]
      : []),
    ...(compensation?.capability === SHELL
      ? [{ path: `steps.${key}.compensation.input`, text: jsonOf(compensation.input) }]
      : []),
  ]);
}

function jsonOf(payload: Requests["steps"][number]["input"]): string {
  return payload?.value.case === "json" ? payload.value.value : "";
}
