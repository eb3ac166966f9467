// Edges from what steps say, and what is wrong with what they say.
import { describe, expect, it } from "vitest";
import { deriveEdges } from "../../src/domain/graph/edges.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { workStep } from "../support/random-graph.ts";

const json = (value: unknown): StepDefinition["input"] => ({ kind: "json", text: JSON.stringify(value) });
const need = (step: string, regardless = false): StepDefinition["needs"][number] => ({ step, regardless });
const fields = (steps: readonly StepDefinition[], options: Parameters<typeof deriveEdges>[1] = {}): string[] =>
  deriveEdges(steps, options).violations.map((violation) => `${violation.field}: ${violation.rule}`);

describe("derived edges", () => {
  it("come from needs, references in inputs and conditions, and artifacts", () => {
    const steps = [
      workStep("a", { produces: ["tarball"] }),
      workStep("b-1"),
      workStep("c"),
      workStep("d", {
        needs: [need("c", true)],
        consumes: ["tarball"],
        condition: 'steps.c.state == "FAILED"',
        input: json({ deep: [{ x: 'v ${{ steps["b-1"].outputs.x }}' }] }),
      }),
      workStep("e", { condition: 'steps["d"].state != "SKIPPED"' }),
    ];
    expect(deriveEdges(steps)).toEqual({
      edges: [
        { from: "c", to: "d", kind: "VALUE", regardless: true },
        { from: "b-1", to: "d", kind: "VALUE", regardless: false },
        { from: "a", to: "d", kind: "ARTIFACT", regardless: false },
        { from: "d", to: "e", kind: "VALUE", regardless: true },
      ],
      violations: [],
      missing: [],
    });
  });

  it.each([
    [
      "a need that waits regardless keeps its word beside a reference",
      { needs: [need("a", true)], input: json("${{ steps.a.outputs }}") },
      "VALUE",
      true,
    ],
    [
      "a need for success holds beside a reference to the state",
      { needs: [need("a")], condition: 'steps.a.state == "FAILED"' },
      "VALUE",
      false,
    ],
    ["a reference to outputs asks for success", { input: json("${{ steps.a.outputs }}") }, "VALUE", false],
    ["two needs wait regardless only if both say so", { needs: [need("a", true), need("a")] }, "EXPLICIT", false],
    ["an artifact asks for success", { needs: [need("a", true)], consumes: ["x"] }, "ARTIFACT", false],
  ] as const)("%s", (_, parts, kind, regardless) => {
    expect(deriveEdges([workStep("a", { produces: ["x"] }), workStep("b", parts)]).edges).toEqual([
      { from: "a", to: "b", kind, regardless },
    ]);
  });

  it("name every field that is wrong", () => {
    expect(
      fields([
        workStep("a", { produces: ["x", "x"] }),
        workStep("a", { needs: [need("zz"), need("a")] }),
        workStep("1-bad", { condition: "steps.nope.outputs.x == 1", produces: ["x"] }),
        workStep("b", {
          input: json({ run: ["${{ steps.gone.outputs }}"], other: "${{ 1 +", more: "${{ env.HOME }}" }),
        }),
        workStep("c", {
          compensation: {
            capability: "undo",
            input: json("${{ steps.a.outputs }}"),
            timeoutMs: 1,
            retry: workStep("c").retry,
          },
        }),
      ]),
    ).toEqual([
      "steps[0].produces[1]: graph.two_producers",
      "steps[1].key: graph.duplicate_key",
      "steps[2].key: graph.bad_key",
      "steps[2].produces[0]: graph.two_producers",
      "steps[1].needs[0].step: graph.unknown_step",
      "steps[1].needs[1].step: graph.self_edge",
      "steps[2].condition: graph.unknown_step",
      "steps[3].input: expression.invalid",
      "steps[3].input.run[0]: graph.unknown_step",
      "steps[3].input.more: expression.invalid",
      "steps[4].compensation.input: expression.unknown_step",
    ]);
  });

  it("check the names of goal inputs when they are given", () => {
    const steps = [workStep("a", { condition: "has(goal.inputs.x) && goal.inputs.ref != '' && goal.inputs.y == 1" })];
    expect(fields(steps)).toEqual([]);
    expect(fields(steps, { goalInputs: new Set(["ref"]) })).toEqual(["steps[0].condition: expression.unknown_input"]);
  });

  it("tell artifacts that nobody produces apart, since others may provide them", () => {
    expect(deriveEdges([workStep("a", { consumes: ["x"] })])).toEqual({
      edges: [],
      violations: [],
      missing: [{ field: "steps[0].consumes[0]", step: "a", artifact: "x" }],
    });
  });

  it("are bounded in number", () => {
    const steps = [workStep("a"), workStep("b"), workStep("c", { needs: [need("a"), need("b")] })];
    expect(fields(steps, { edgesLimit: 1 })).toEqual(["steps: graph.too_many_edges"]);
  });
});
