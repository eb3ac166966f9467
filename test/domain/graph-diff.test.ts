// Differences between versions: properties over random edits, and what becomes of each step.
import { describe, expect, it } from "vitest";
import { canonicalText } from "../../src/domain/canonical.ts";
import { NO_LIMITS } from "../../src/domain/amounts.ts";
import { analyse } from "../../src/domain/graph/analysis.ts";
import { deriveEdges } from "../../src/domain/graph/edges.ts";
import { diff } from "../../src/domain/graph/diff.ts";
import type { ComparedGraph, GraphDiff } from "../../src/domain/graph/diff.ts";
import type { StepProgress } from "../../src/domain/graph/fate.ts";
import { fieldsOf } from "../../src/domain/graph/fields.ts";
import { definitionText, fingerprint, graphDigest, parseDefinition } from "../../src/domain/graph/fingerprint.ts";
import type { Edge } from "../../src/domain/graph.ts";
import type { JsonValue } from "../../src/domain/json.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { about, addRedundantNeeds, dice, randomEdit, randomSteps, workStep } from "../support/random-graph.ts";

function graphOf(steps: readonly StepDefinition[]): ComparedGraph & { readonly plain: readonly Edge[] } {
  const { edges, violations } = deriveEdges(steps);
  expect(violations).toEqual([]);
  return { ...analyse(steps, edges, { deadlineMs: null, limits: NO_LIMITS, servable: () => true }), plain: edges };
}

const names = (edges: readonly Edge[]): string[] =>
  edges.map((edge) => `${edge.from} ${edge.to} ${edge.regardless}`).sort();
const reduced = (graph: ComparedGraph): string[] => names(graph.edges.filter((edge) => !edge.redundant));
const isEmpty = (found: GraphDiff): boolean =>
  found.steps.length + found.addedEdges.length + found.removedEdges.length === 0;

/** Reads `a.b["c d"][2]` as its names. */
function namesIn(path: string): (string | number)[] {
  return [...path.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\.?([A-Za-z0-9_]+)/g)].map(([, index, quoted, plain]) =>
    index !== undefined
      ? Number(index)
      : quoted !== undefined
        ? (JSON.parse(`"${quoted}"`) as string)
        : (plain as string),
  );
}

/** Sets or removes the value at a path, making a copy. */
function put(tree: JsonValue | undefined, path: readonly (string | number)[], text: string): JsonValue | undefined {
  const [name, ...rest] = path;
  if (name === undefined) return text === "" ? undefined : (JSON.parse(text) as JsonValue);
  if (typeof name === "number") {
    const list = [...(tree as readonly JsonValue[])];
    list[name] = put(list[name], rest, text) as JsonValue;
    return list;
  }
  const members = new Map<string, JsonValue>(Object.entries(tree ?? {}));
  const value = put(members.get(name), rest, text);
  if (value === undefined) members.delete(name);
  else members.set(name, value);
  return Object.fromEntries(members);
}

/** What a reader of the differences knows of the new version: fields of each step, and its needs. */
function applied(
  before: ComparedGraph,
  after: ComparedGraph,
  found: GraphDiff,
): Map<string, { fields: JsonValue; needs: Map<string, boolean> }> {
  const result = new Map<string, { fields: JsonValue; needs: Map<string, boolean> }>(
    before.steps.map(({ definition }) => [
      definition.key,
      {
        fields: fieldsOf(definition),
        needs: new Map(definition.needs.map((need) => [need.step, need.regardless])),
      },
    ]),
  );
  for (const step of found.steps) {
    if (step.change === "REMOVED") result.delete(step.key);
    else if (step.change === "ADDED") {
      const definition = after.steps.find((other) => other.definition.key === step.key)?.definition as StepDefinition;
      result.set(step.key, {
        fields: fieldsOf(definition),
        needs: new Map(definition.needs.map((need) => [need.step, need.regardless])),
      });
    } else {
      const entry = result.get(step.key);
      if (entry === undefined) throw new Error(`${step.key} is not in the old version`);
      for (const { path, beforeJson, afterJson } of step.fields) {
        const [first, second] = namesIn(path);
        if (first === "needs") {
          expect(beforeJson).toBe(
            entry.needs.has(String(second)) ? `{"regardless":${entry.needs.get(String(second))}}` : "",
          );
          if (afterJson === "") entry.needs.delete(String(second));
          else entry.needs.set(String(second), (JSON.parse(afterJson) as { regardless: boolean }).regardless);
        } else entry.fields = put(entry.fields, namesIn(path), afterJson) as JsonValue;
      }
    }
  }
  return result;
}

describe("diff", () => {
  it("of 1,000 random edit scripts gives the new version when it is applied, and nothing for a version and itself", () => {
    for (let seed = 0; seed < 1_000; seed++) {
      const random = dice(seed);
      const first = randomSteps(random, { steps: 2 + random.below(10), needs: 1.5, regardless: 0.2, references: 0.2 });
      let second: StepDefinition[] = first;
      const edits = 1 + random.below(6);
      for (let n = 0; n < edits; n++) second = randomEdit(random, second, `fresh${n}`);
      const [before, after] = [graphOf(first), graphOf(second)];
      expect(isEmpty(diff(before, before))).toBe(true);
      const found = diff(before, after);
      const result = applied(before, after, found);
      expect([...result.keys()].sort()).toEqual(second.map((step) => step.key).sort());
      for (const { definition } of after.steps)
        expect(canonicalText(result.get(definition.key)?.fields)).toBe(canonicalText(fieldsOf(definition)));
      // Needs that say nothing new may differ; what follows from all of them may not.
      const rebuilt = second.map((step) => ({
        ...step,
        needs: [...(result.get(step.key)?.needs ?? [])]
          .filter(([key]) => result.has(key))
          .map(([key, regardless]) => ({ step: key, regardless })),
      }));
      expect([seed, reduced(graphOf(rebuilt))]).toEqual([seed, reduced(after)]);
      const removed = new Set(names(found.removedEdges));
      expect([...reduced(before).filter((name) => !removed.has(name)), ...names(found.addedEdges)].sort()).toEqual(
        reduced(after),
      );
      const { summary } = found;
      expect(summary.addedSteps + summary.changedSteps + summary.unchangedSteps).toBe(second.length);
      expect(summary.removedSteps + summary.changedSteps + summary.unchangedSteps).toBe(first.length);
    }
  });

  it("reports at least 99 of 100 single edits of a field as exactly one difference", () => {
    let exact = 0;
    for (let seed = 0; seed < 300; seed++) {
      const random = dice(seed);
      const steps = randomSteps(random, { steps: 8, needs: 1.5 });
      const at = random.below(steps.length);
      const parts: Partial<StepDefinition>[] = [
        { title: "new" },
        { capability: "new" },
        { timeoutMs: 5 },
        { requiresApproval: true },
        { estimate: { ...about(1_000), likelyMs: 77_777 } },
      ];
      const edited = steps.map((step, n) =>
        n === at ? { ...step, estimate: about(1_000), ...random.pick(parts) } : step,
      );
      const base = steps.map((step, n) => (n === at ? { ...step, estimate: about(1_000) } : step));
      const found = diff(graphOf(base), graphOf(edited));
      if (found.steps.length === 1 && found.steps[0]?.fields.length === 1 && found.addedEdges.length === 0) exact++;
    }
    expect(exact / 300).toBeGreaterThanOrEqual(0.99);
  });

  it("does not see redundant needs, in either direction, and neither does reuse", () => {
    let added = 0;
    for (let seed = 0; seed < 300; seed++) {
      const random = dice(seed);
      const steps = randomSteps(random, { steps: 3 + random.below(12), needs: 2, regardless: 0.2, references: 0.2 });
      const before = graphOf(steps);
      const more = addRedundantNeeds(random, steps, before.plain, 0.5);
      const after = graphOf(more);
      added += more.reduce((sum, step, n) => sum + step.needs.length - (steps[n]?.needs.length ?? 0), 0);
      const progress = new Map(
        steps.map((step): [string, StepProgress] => [step.key, { state: "SUCCEEDED", compensable: false }]),
      );
      for (const [a, b] of [
        [before, after],
        [after, before],
      ] as const) {
        const found = diff(a, b, progress);
        expect([seed, found.steps, found.addedEdges, found.removedEdges]).toEqual([seed, [], [], []]);
        expect(found.summary.reused).toBe(steps.length);
      }
    }
    expect(added).toBeGreaterThan(300);
  });

  it("does not depend on the order in which steps are given", () => {
    const random = dice(5);
    const steps = randomSteps(random, { steps: 12, needs: 2 });
    const [a, b] = [graphOf(steps), graphOf(steps.toReversed())];
    expect(isEmpty(diff(a, b))).toBe(true);
    expect(graphDigest(a.steps, a.edges)).toBe(graphDigest(b.steps, b.edges));
  });

  it("sees that a redundant need counts once what it followed from is gone", () => {
    const need = (step: string): StepDefinition["needs"][number] => ({ step, regardless: false });
    const before = graphOf([
      workStep("x"),
      workStep("y", { needs: [need("x")] }),
      workStep("z", { needs: [need("x"), need("y")] }),
    ]);
    const after = graphOf([workStep("x"), workStep("y", { needs: [need("x")] }), workStep("z")]);
    expect(diff(before, after).steps).toMatchObject([
      { key: "z", change: "CHANGED", fields: [{ path: "needs.x", afterJson: "" }, { path: "needs.y" }] },
    ]);
  });

  it("does not see a need beside a reference that says the same, and sees one that says something else", () => {
    const b = (needs: StepDefinition["needs"]): ComparedGraph =>
      graphOf([
        workStep("a"),
        workStep("b", { needs, input: { kind: "json", text: '{"x":"${{ steps.a.outputs.x }}"}' } }),
      ]);
    const [none, success, end] = [b([]), b([{ step: "a", regardless: false }]), b([{ step: "a", regardless: true }])];
    expect(isEmpty(diff(none, success)) && isEmpty(diff(success, none))).toBe(true);
    for (const other of [none, success]) {
      expect(diff(other, end)).toMatchObject({
        steps: [{ key: "b", change: "CHANGED" }],
        addedEdges: [{}],
        removedEdges: [{}],
      });
    }
  });

  it("says what becomes of each step", () => {
    const changed = (key: string): StepDefinition => workStep(key, { capability: "other" });
    const keys = ["same", "changed", "gone"];
    const states: readonly [StepProgress, string, string, string][] = [
      [{ state: "PENDING", compensable: true }, "KEPT", "RERUN", "DROPPED"],
      [{ state: "BACKING_OFF", compensable: true }, "KEPT", "RERUN", "DROPPED"],
      [{ state: "LEASED", compensable: true }, "CONTINUED", "STOPPED", "STOPPED"],
      [{ state: "STOPPING", compensable: true }, "CONTINUED", "STOPPED", "STOPPED"],
      [{ state: "SUCCEEDED", compensable: true }, "REUSED", "COMPENSATED", "COMPENSATED"],
      [{ state: "SUCCEEDED", compensable: false }, "REUSED", "NOT_COMPENSABLE", "NOT_COMPENSABLE"],
      [{ state: "COMPENSATED", compensable: true }, "KEPT", "RERUN", "DROPPED"],
      [{ state: "LEASED", undoing: true, compensable: true }, "KEPT", "RERUN", "DROPPED"],
      [{ state: "FAILED", compensable: true }, "KEPT", "RERUN", "DROPPED"],
    ];
    for (const [progress, ...fates] of states) {
      const found = diff(
        graphOf(keys.map((key) => workStep(key))),
        graphOf([workStep("same"), changed("changed"), workStep("new")]),
        new Map(keys.map((key) => [key, progress])),
      );
      expect(Object.fromEntries(found.fates)).toEqual({
        same: fates[0],
        changed: fates[1],
        gone: fates[2],
        new: "ADDED",
      });
      expect(found.summary.rerun).toBe(1);
    }
  });

  it("leaves a done step done when only its title, priority or estimate differs", () => {
    const progress = new Map<string, StepProgress>([["a", { state: "SUCCEEDED", compensable: false }]]);
    const found = diff(
      graphOf([workStep("a")]),
      graphOf([workStep("a", { title: "t", priority: 3, estimate: about(10) })]),
      progress,
    );
    expect(found.steps).toMatchObject([{ key: "a", change: "SAME", fate: "REUSED" }]);
    expect(found.steps[0]?.fields.map((field) => field.path)).toEqual(["title", "priority", "estimate"]);
    expect(found.summary).toMatchObject({ changedSteps: 1, reused: 1, rerun: 0 });
  });
});

describe("fingerprints and texts", () => {
  it("bring back the definition they were made from, in canonical form", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = dice(seed);
      let steps = randomSteps(random, { steps: 5, needs: 1.5 });
      for (let n = 0; n < 10; n++) steps = randomEdit(random, steps, `fresh${n}`);
      for (const step of steps) {
        expect(parseDefinition(definitionText(step))).toEqual(step);
        expect(definitionText(step)).toBe(canonicalText(step));
      }
    }
  });

  it("cover what affects execution, and nothing else", () => {
    const base = workStep("a", { input: { kind: "json", text: '{"a":1,"b":[2]}' } });
    const same: Partial<StepDefinition>[] = [
      { key: "b" },
      { title: "t" },
      { priority: 1 },
      { estimate: about(5) },
      { input: { kind: "json", text: ' { "b": [2.0], "a": 1 }' } },
    ];
    for (const parts of same) expect(fingerprint({ ...base, ...parts })).toBe(fingerprint(base));
    const other: Partial<StepDefinition>[] = [
      { capability: "x" },
      { executorLabels: { a: "b" } },
      { minTrust: 0.5 },
      { hold: { ...base.hold, tokens: 1 } },
      { needs: [{ step: "z", regardless: false }] },
      { condition: "true" },
      { input: null },
      { input: { kind: "artifact", uri: "x" } },
      { inputSchema: "{}" },
      { outputSchema: "{}" },
      { timeoutMs: 1 },
      { retry: { ...base.retry, jitter: 0 } },
      { onFailure: "ASK" },
      { compensation: { capability: "u", input: null, timeoutMs: 1, retry: base.retry } },
      { produces: ["x"] },
      { consumes: ["x"] },
      { requiresApproval: true },
    ];
    expect(
      new Set([base, ...other.map((parts) => ({ ...base, ...parts }))].map((step) => fingerprint(step))).size,
    ).toBe(other.length + 1);
    expect(fingerprint(base)).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});
