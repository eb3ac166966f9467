// Which task of a workflow waits for which, in the forms in which people write it: as workflow files have it, an object of a task and
// what it waits for, one name or several; and as the contract has it, a list of pairs, whose `depends_on` may be several names, too.
// Not here: what dependencies come to, see domain/workflow.ts.

type Schema = Readonly<Record<string, unknown>>;

export const DEPENDENCY = "maestro.conductor.v1.WorkflowDependency";

/** Pairs, as far as they can be made out; what is neither form stays as it is, and is refused with its place. */
export function asPairs(value: unknown): unknown {
  if (Array.isArray(value)) return value.flatMap((entry: unknown) => (isObject(entry) ? pairsOf(entry) : [entry]));
  if (!isObject(value)) return value;
  return Object.entries(value).flatMap(([task, depends_on]) => pairsOf({ task, depends_on }));
}

function pairsOf(entry: Readonly<Record<string, unknown>>): readonly unknown[] {
  const names: unknown = Object.hasOwn(entry, "depends_on") ? entry["depends_on"] : undefined;
  return Array.isArray(names) ? names.map((depends_on: unknown) => ({ ...entry, depends_on })) : [entry];
}

/** One name, or several. */
export function nameOrNames(name: Schema): Schema {
  return { anyOf: [name, { type: "array", items: name }] };
}

/** A list of pairs, or an object by task. */
export function pairsOrObject(list: Schema): Schema {
  const name = { type: "string", minLength: 1, maxLength: 128 };
  return { anyOf: [list, { type: "object", additionalProperties: nameOrNames(name) }] };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
