// Edges of a graph, derived from what its steps say: needs, value references, artifacts. Not here: cycles (cycles.ts), and
// what else of a step may be wrong.
import { expressionsOf, references } from "../expression/references.ts";
import { mayHoldExpression } from "../expression/template.ts";
import { EDGES_LIMIT } from "../graph.ts";
import type { Edge, EdgeKind } from "../graph.ts";
import { memberPath, parseJson } from "../json.ts";
import type { Violation } from "../refusal.ts";
import type { StepDefinition } from "../step.ts";

/** An artifact that a step consumes and nobody produces. */
export interface MissingPremise {
  readonly field: string;
  readonly step: string;
  readonly artifact: string;
}

export interface DerivedEdges {
  /** One for each pair of steps, in the order of the waiting steps. */
  readonly edges: readonly Edge[];
  /** At most 100. */
  readonly violations: readonly Violation[];
  /** At most 100. */
  readonly missing: readonly MissingPremise[];
}

export interface DeriveOptions {
  /** Names of the goal's inputs; references to others are violations. Not given: not checked. */
  readonly goalInputs?: ReadonlySet<string>;
  /** Most edges; 1,000,000 when not given. */
  readonly edgesLimit?: number;
}

const KEY = /^[A-Za-z_][A-Za-z0-9_-]*$/;
const NAMED_LIMIT = 100;

/**
 * What each way of depending says of waiting for success:
 * - a need says it by hand; an artifact asks for success;
 * - a reference that reads outputs asks for success unless every need between the two is `regardless`: outputs are then
 *   null when the step did not succeed;
 * - a reference to nothing but `steps.<key>.state` wants to know it whatever it is: it waits regardless.
 */
export function deriveEdges(steps: readonly StepDefinition[], options: DeriveOptions = {}): DerivedEdges {
  const derivation = new Derivation(steps, options);
  for (const [index, step] of steps.entries()) derivation.add(step, `steps[${index}]`);
  const limit = options.edgesLimit ?? EDGES_LIMIT;
  if (derivation.edges.length > limit) {
    derivation.complain(
      "steps",
      `The graph has ${derivation.edges.length} edges; at most ${limit} are allowed.`,
      "graph.too_many_edges",
    );
  }
  return { edges: derivation.edges, violations: derivation.violations, missing: derivation.missing };
}

/** What one step says of one that it depends on. */
interface Said {
  kind: EdgeKind;
  /** By hand: undefined when there is no need. */
  needsRegardless: boolean | undefined;
  artifact: boolean;
  readsOutputs: boolean;
}

const PRECEDENCE: Readonly<Record<EdgeKind, number>> = { EXPLICIT: 0, ARTIFACT: 1, VALUE: 2 };

class Derivation {
  readonly edges: Edge[] = [];
  readonly violations: Violation[] = [];
  readonly missing: MissingPremise[] = [];
  readonly #keys = new Set<string>();
  readonly #producers = new Map<string, string>();
  readonly #goalInputs: ReadonlySet<string> | undefined;

  constructor(steps: readonly StepDefinition[], options: DeriveOptions) {
    this.#goalInputs = options.goalInputs;
    for (const [index, step] of steps.entries()) this.#register(step, `steps[${index}]`);
  }

  complain(field: string, description: string, rule: string): void {
    if (this.violations.length < NAMED_LIMIT) this.violations.push({ field, description, rule });
  }

  add(step: StepDefinition, path: string): void {
    const said = new Map<string, Said>();
    for (const [index, need] of step.needs.entries())
      this.#need(said, step, need.step, need.regardless, `${path}.needs[${index}].step`);
    if (step.condition !== "") this.#refer(said, step, step.condition, `${path}.condition`);
    this.#input(said, step, path);
    for (const [index, artifact] of step.consumes.entries())
      this.#consume(said, step, artifact, `${path}.consumes[${index}]`);
    for (const [from, { kind, needsRegardless, artifact, readsOutputs }] of said) {
      this.edges.push({ from, to: step.key, kind, regardless: !artifact && (needsRegardless ?? !readsOutputs) });
    }
    this.#compensation(step, path, said);
  }

  #register(step: StepDefinition, path: string): void {
    if (!KEY.test(step.key))
      this.complain(
        `${path}.key`,
        `Key ${quoted(step.key)} is not letters, digits, _ and -, beginning with a letter or _.`,
        "graph.bad_key",
      );
    if (this.#keys.has(step.key))
      this.complain(`${path}.key`, `Key ${step.key} is given twice.`, "graph.duplicate_key");
    this.#keys.add(step.key);
    for (const [index, artifact] of step.produces.entries()) {
      const other = this.#producers.get(artifact);
      if (other === undefined) this.#producers.set(artifact, step.key);
      else
        this.complain(
          `${path}.produces[${index}]`,
          `Artifact ${quoted(artifact)} is produced by ${other === step.key ? `${other} twice` : `${other} and ${step.key}`}.`,
          "graph.two_producers",
        );
    }
  }

  #need(said: Map<string, Said>, step: StepDefinition, from: string, regardless: boolean, field: string): void {
    if (!this.#allowed(step, from, field, "needs")) return;
    const entry = entryOf(said, from, "EXPLICIT");
    entry.needsRegardless = (entry.needsRegardless ?? true) && regardless;
  }

  #consume(said: Map<string, Said>, step: StepDefinition, artifact: string, field: string): void {
    const from = this.#producers.get(artifact);
    if (from === undefined) {
      if (this.missing.length < NAMED_LIMIT) this.missing.push({ field, step: step.key, artifact });
    } else if (this.#allowed(step, from, field, "consumes an artifact of"))
      entryOf(said, from, "ARTIFACT").artifact = true;
  }

  #input(said: Map<string, Said>, step: StepDefinition, path: string): void {
    for (const { text, field } of this.#expressions(step.input, `${path}.input`)) this.#refer(said, step, text, field);
  }

  #refer(said: Map<string, Said>, step: StepDefinition, text: string, field: string): void {
    const found = references(text);
    for (const problem of found.problems)
      this.complain(field, `The expression ${quoted(text)} ${problem}.`, "expression.invalid");
    for (const [from, readsOutputs] of found.steps) {
      if (!this.#allowed(step, from, field, "refers to")) continue;
      const entry = entryOf(said, from, "VALUE");
      entry.readsOutputs ||= readsOutputs;
    }
    this.#checkInputs(found.goalInputs, text, field);
  }

  /** Undoing may use what the step itself came to, and what it depended on; it adds no edges. */
  #compensation(step: StepDefinition, path: string, said: ReadonlyMap<string, Said>): void {
    for (const { text, field } of this.#expressions(step.compensation?.input ?? null, `${path}.compensation.input`)) {
      const found = references(text);
      for (const problem of found.problems)
        this.complain(field, `The expression ${quoted(text)} ${problem}.`, "expression.invalid");
      for (const key of found.steps.keys()) {
        if (key !== step.key && !said.has(key))
          this.complain(
            field,
            `A compensation may refer to its own step and those that it depends on, not to ${key}.`,
            "expression.unknown_step",
          );
      }
      this.#checkInputs(found.goalInputs, text, field);
    }
  }

  #expressions(
    payload: StepDefinition["input"],
    field: string,
  ): readonly { readonly text: string; readonly field: string }[] {
    if (payload?.kind !== "json") return [];
    if (!mayHoldExpression(payload.text)) return [];
    const parsed = parseJson(payload.text);
    if (!parsed.ok) {
      this.complain(field, parsed.problem, "payload.invalid_json");
      return [];
    }
    const { found, problems } = expressionsOf(parsed.value);
    for (const problem of problems) this.complain(field, `${problem}.`, "expression.invalid");
    return found.map(({ path, text }) => ({ text, field: joined(field, path) }));
  }

  #checkInputs(names: ReadonlySet<string>, text: string, field: string): void {
    if (this.#goalInputs === undefined) return;
    for (const name of names) {
      if (!this.#goalInputs.has(name))
        this.complain(
          field,
          `The expression ${quoted(text)} refers to ${memberPath("goal.inputs", name)}, which the goal does not have.`,
          "expression.unknown_input",
        );
    }
  }

  #allowed(step: StepDefinition, from: string, field: string, how: string): boolean {
    if (from === step.key) this.complain(field, `Step ${step.key} ${how} itself.`, "graph.self_edge");
    else if (!this.#keys.has(from))
      this.complain(field, `Step ${step.key} ${how} ${quoted(from)}, which is not in the graph.`, "graph.unknown_step");
    else return true;
    return false;
  }
}

function entryOf(said: Map<string, Said>, from: string, kind: EdgeKind): Said {
  let entry = said.get(from);
  if (entry === undefined) {
    entry = { kind, needsRegardless: undefined, artifact: false, readsOutputs: false };
    said.set(from, entry);
  }
  if (PRECEDENCE[kind] > PRECEDENCE[entry.kind]) entry.kind = kind;
  return entry;
}

function joined(field: string, path: string): string {
  if (path === "") return field;
  return path.startsWith("[") ? `${field}${path}` : `${field}.${path}`;
}

/** A text in quotes, shortened: refusals name it, they need not repeat it. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
}
