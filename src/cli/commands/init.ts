// `maestro init`: writes a plan file to begin with, and its schema beside it. Nothing is overwritten.
import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import type { Context } from "../context.ts";
import { CommandEnd, FAILED } from "../io.ts";
import { planFileSchema } from "../plan-file/schema.ts";
import { harmless } from "../table.ts";

/** Beside the plan file; the same for all plan files of a folder. */
const SCHEMA_FILE = "maestro-plan.schema.json";
const MOST_NAME = 63;

export function init(file: string | undefined, { schema }: { readonly schema: boolean }, context: Context): void {
  const { io, json, quiet } = context;
  const path = file ?? (json ? "plan.json" : "plan.yaml");
  const asJson = path === "-" ? json : extname(path).toLowerCase() === ".json";
  const names = namesOf(path);
  const text = (at: string | undefined): string => (asJson ? jsonPlan(names, at) : yamlPlan(names, at));
  if (path === "-") return io.out(text(undefined));

  const beside = join(dirname(path), SCHEMA_FILE);
  // First: a plan file that points to a schema that could not be written would be half of what was asked for.
  const schemaText = `${JSON.stringify(planFileSchema(), null, 2)}\n`;
  const keep = schema && isOurs(beside);
  if (schema && !keep) writeNew(beside, schemaText);
  writeNew(path, text(schema ? `./${SCHEMA_FILE}` : undefined));
  if (keep) writeFileSync(beside, schemaText);

  if (json) io.out(`${JSON.stringify({ file: path, ...(schema && { schema: beside }) })}\n`);
  else if (!quiet) {
    io.out(`${harmless(`wrote ${path}${schema ? `, and ${beside} for editors` : ""}`)}\n`);
    io.out(`${harmless(`try it: maestro apply ${path} --local`)}\n`);
  }
}

interface Names {
  readonly charter: string;
  readonly goal: string;
}

/** The charter is called after the folder, the goal after the file. */
function namesOf(path: string): Names {
  const plain = (text: string, otherwise: string): string =>
    text
      .replaceAll(/[^A-Za-z0-9_-]+/g, "-")
      .replaceAll(/^-+|-+$/g, "")
      .slice(0, MOST_NAME) || otherwise;
  return {
    charter: plain(basename(dirname(resolve(path))), "example"),
    goal: plain(path === "-" ? "" : basename(path, extname(path)), "plan"),
  };
}

function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: "wx" });
  } catch (error) {
    const there = error instanceof Error && "code" in error && error.code === "EEXIST";
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandEnd(
      FAILED,
      harmless(there ? `${path} is there already, and is not overwritten` : `${path} cannot be written: ${why}`),
    );
  }
}

/** What an earlier `init` wrote may be brought up to date. */
function isOurs(path: string): boolean {
  try {
    const { title } = JSON.parse(readFileSync(path, "utf8")) as { readonly title?: unknown };
    return title === planFileSchema()["title"];
  } catch {
    return false;
  }
}

function yamlPlan({ charter, goal }: Names, schema: string | undefined): string {
  return `${schema === undefined ? "" : `# yaml-language-server: $schema=${schema}\n`}# Try it with: maestro apply <this file> --local
charter: { name: ${quoted(charter)}, deadline: 1h }
goal: { name: ${quoted(goal)}, inputs: { greeting: hello } }
steps:
  fetch:
    capability: shell
    # The object in the file that MAESTRO_OUTPUTS names becomes the step's outputs.
    input: { run: 'echo fetching; echo "{\\"count\\": 3}" > "$MAESTRO_OUTPUTS"' }
    estimate: 1s
  greet:
    capability: shell
    input: { run: 'echo "$GREETING"', env: { GREETING: "\${{ goal.inputs.greeting }}" } }
    retry: { max: 3 }
  report:
    capability: shell
    # A reference to a step makes this step wait for it; \`needs\` is for all others.
    needs: [greet]
    input: { run: 'echo "fetched $COUNT"', env: { COUNT: "\${{ string(steps.fetch.outputs.count) }}" } }
`;
}

/** YAML takes words such as `yes` and digits for something else. */
function quoted(name: string): string {
  return JSON.stringify(name);
}

function jsonPlan({ charter, goal }: Names, schema: string | undefined): string {
  const plan = {
    ...(schema !== undefined && { $schema: schema }),
    charter: { name: charter, deadline: "1h" },
    goal: { name: goal, inputs: { greeting: "hello" } },
    steps: {
      fetch: {
        capability: "shell",
        input: { run: `echo fetching; echo '{"count": 3}' > "$MAESTRO_OUTPUTS"` },
        estimate: "1s",
      },
      greet: {
        capability: "shell",
        input: { run: 'echo "$GREETING"', env: { GREETING: "${{ goal.inputs.greeting }}" } },
        retry: { max: 3 },
      },
      report: {
        capability: "shell",
        needs: ["greet"],
        input: { run: 'echo "fetched $COUNT"', env: { COUNT: "${{ string(steps.fetch.outputs.count) }}" } },
      },
    },
  };
  return `${JSON.stringify(plan, null, 2)}\n`;
}
