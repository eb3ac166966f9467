// A workflow from a file, YAML or JSON: its name, its tasks, and which waits for which. Not here: whether the whole makes sense,
// which the server says.
import type { JsonObject } from "@bufbuild/protobuf";
import { either, isList, isText, jsonObject, list, may, named, need, object, text } from "./plan-file/kinds.ts";
import type { Kind, Read } from "./plan-file/kinds.ts";
import { readAs } from "./plan-file/read.ts";
import type { ReadAs } from "./plan-file/read.ts";

export interface WorkflowFile {
  readonly name: string;
  readonly tasks: readonly { readonly name: string; readonly agentType: string; readonly input?: JsonObject }[];
  readonly dependencies: readonly { readonly task: string; readonly dependsOn: string }[];
}

const MOST_TASKS = 2_000;
const MOST_DEPENDENCIES = 20_000;
const name = text({ maxBytes: 128 });
const someTask = { pattern: /^.{1,128}$/s, wanted: "a task's name of 1 to 128 bytes" };

const task = object({
  name: need(name, "Unique in the workflow."),
  agent_type: need(name, "The capability that an executor needs for it."),
  input: may(
    jsonObject,
    "What the executor is handed; may refer to outputs of tasks that it waits for, as plan files do.",
  ),
});
const oneOrMore = either(isText, name, list(name, { most: MOST_TASKS }));
const dependency = object({
  task: need(name, "The task that waits."),
  depends_on: need(oneOrMore, "The task that must succeed first, or all that must."),
});
const byTask = named(someTask, oneOrMore, MOST_TASKS);
const dependencies: Kind<Read<typeof dependency>[] | Read<typeof byTask>> = either(
  isList,
  list(dependency, { most: MOST_DEPENDENCIES }),
  byTask,
  "a list of { task, depends_on }, or a map from tasks to those that they wait for",
);
const workflow = object({
  name: need(text({ maxBytes: 255 }), "For people."),
  tasks: need(list(task, { least: 1, most: MOST_TASKS }), "Its tasks."),
  dependencies: may(dependencies, "Which task waits for which."),
});

export function readWorkflowFile(source: string): ReadAs<WorkflowFile> {
  const read = readAs(workflow, source);
  if (!read.ok) return read;
  const { name: called, tasks, dependencies: given = [] } = read.file;
  const file: WorkflowFile = {
    name: called,
    tasks: tasks.map((one) => ({
      name: one.name,
      agentType: one.agent_type,
      ...(one.input === undefined ? {} : { input: one.input }),
    })),
    dependencies: Array.isArray(given)
      ? given.flatMap((one) => edges(one.task, one.depends_on))
      : [...given].flatMap(([waits, on]) => edges(waits, on)),
  };
  return { ...read, file };
}

function edges(waits: string, on: string | readonly string[]): WorkflowFile["dependencies"] {
  return (typeof on === "string" ? [on] : on).map((dependsOn) => ({ task: waits, dependsOn }));
}
