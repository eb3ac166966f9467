// Whether a step is the same in two versions, its needs compared by what they mean. Not here: what follows from it, see
// fate.ts, and edges, see diff.ts.
import type { AnalysedEdge, GraphStep } from "../graph.ts";
import { memberPath } from "../json.ts";
import type { Need } from "../step.ts";
import { differences, fieldsOf } from "./fields.ts";
import type { FieldDifference } from "./fields.ts";
import { executionText } from "./fingerprint.ts";

export class Rewiring {
  readonly #before: Waits;
  readonly #after: Waits;

  constructor(before: readonly AnalysedEdge[], after: readonly AnalysedEdge[]) {
    this.#before = new Waits(before);
    this.#after = new Waits(after);
  }

  /** As far as execution goes: title, priority and estimate do not count. */
  same(before: GraphStep, after: GraphStep): boolean {
    return (
      before.fingerprint === after.fingerprint || (sameBody(before, after) && this.#needs(before, after).length === 0)
    );
  }

  fields(before: GraphStep, after: GraphStep): readonly FieldDifference[] {
    if (before.definitionText === after.definitionText) return [];
    return [...differences(fieldsOf(before.definition), fieldsOf(after.definition)), ...this.#needs(before, after)];
  }

  #needs(before: GraphStep, after: GraphStep): readonly FieldDifference[] {
    const { key } = before.definition;
    const old = merged(before.definition.needs);
    const now = merged(after.definition.needs);
    const found: FieldDifference[] = [];
    for (const step of new Set([...old.keys(), ...now.keys()])) {
      const was = old.get(step);
      const is = now.get(step);
      if (was === is || this.#meansNothing(before, after, step, key)) continue;
      found.push({ path: memberPath("needs", step), beforeJson: wordOf(was), afterJson: wordOf(is) });
    }
    return found;
  }

  /** Whether the new version says the same with the old version's word on this need. */
  #meansNothing(before: GraphStep, after: GraphStep, from: string, to: string): boolean {
    const was = merged(before.definition.needs).get(from);
    const direct = this.#after.between(from, to);
    if (direct?.redundant !== false) {
      // Nothing is lost without the new version's own word; and the old one asks for nothing that does not hold anyway.
      return was === undefined || this.#after.implies(from, to, was);
    }
    // References or artifacts between the same two steps say it as well, as long as they are the same.
    const earlier = this.#before.between(from, to);
    return earlier?.regardless === direct.regardless && sameBody(before, after);
  }
}

function sameBody(before: GraphStep, after: GraphStep): boolean {
  return executionText(before.definition, []) === executionText(after.definition, []);
}

function merged(needs: readonly Need[]): ReadonlyMap<string, boolean> {
  const result = new Map<string, boolean>();
  for (const { step, regardless } of needs) result.set(step, (result.get(step) ?? true) && regardless);
  return result;
}

function wordOf(regardless: boolean | undefined): string {
  if (regardless === undefined) return "";
  return regardless ? '{"regardless":true}' : '{"regardless":false}';
}

/** Which step waits for which, asked seldom: only for needs that differ. */
class Waits {
  readonly #into = new Map<string, AnalysedEdge[]>();

  constructor(edges: readonly AnalysedEdge[]) {
    for (const edge of edges) {
      const list = this.#into.get(edge.to);
      if (list === undefined) this.#into.set(edge.to, [edge]);
      else list.push(edge);
    }
  }

  between(from: string, to: string): AnalysedEdge | undefined {
    return this.#into.get(to)?.find((edge) => edge.from === from);
  }

  /** Whether `to` waits for `from` in this way: along strict edges, of which the first may be regardless if that is asked. */
  implies(from: string, to: string, regardless: boolean): boolean {
    const seen = new Set([to]);
    const open = [to];
    for (let key = open.pop(); key !== undefined; key = open.pop()) {
      for (const edge of this.#into.get(key) ?? []) {
        if (edge.from === from && (regardless || !edge.regardless)) return true;
        if (edge.regardless || seen.has(edge.from)) continue;
        seen.add(edge.from);
        open.push(edge.from);
      }
    }
    return false;
  }
}
