// Plan files: what they may hold, what they become, and how their mistakes are told. Not here: what applying one does.
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";
import { describe, expect, test } from "vitest";
import { OnFailure } from "../../gen/maestro/v1/step_pb.ts";
import { checkPlanFile } from "../../src/cli/plan-file/check.ts";
import { describeMistakes } from "../../src/cli/plan-file/mistakes.ts";
import { planFileSchema } from "../../src/cli/plan-file/schema.ts";
import type { Requests } from "../../src/cli/plan-file/requests.ts";

const GOOD = `
charter: { name: release, deadline: 30m, budget: { money: 5 USD, tokens: 200000 }, min_trust: 0.5 }
goal: { name: pack, labels: { team: core }, inputs: { ref: main } }
steps:
  build: { capability: shell, input: { run: "npm run build -- \${{ goal.inputs.ref }}" }, produces: [tree] }
  test: { capability: shell, needs: [build], input: { run: npm test }, estimate: [20s, 40s, 90s], timeout: 10m, retry: { max: 3 }, on_failure: fail }
  pack: { capability: shell, needs: [{ step: test, regardless: true }], consumes: [tree], input: { run: npm pack }, hold: { money: 0.25 USD, energy: 2 kJ, wall: 1m } }
  sums: { capability: shell, condition: "steps.test.state == 'SUCCEEDED'", input: { run: "sha256 \${{ steps.pack.outputs.tarball }}" } }
`;

function accepted(source: string): Requests {
  const checked = checkPlanFile(source);
  if (!checked.ok) throw new Error(describeMistakes("file.yaml", checked.mistakes));
  return checked.requests;
}

function mistakes(source: string): string[] {
  const checked = checkPlanFile(source);
  return checked.ok ? [] : describeMistakes("f", checked.mistakes).split("\n");
}

const withStep = (step: string): string => `charter: c\ngoal: { name: g }\nsteps:\n  a: ${step}\n`;

describe("a plan file", () => {
  test("becomes the messages that its words say", () => {
    const { charterName, terms, goal, steps } = accepted(GOOD);
    expect(charterName).toBe("release");
    expect(terms).toMatchObject({
      deadline: { seconds: 1800n },
      minTrust: 0.5,
      budget: { currency: "USD", moneyMicros: 5_000_000n, tokens: 200_000n },
    });
    expect(goal).toMatchObject({
      name: "pack",
      labels: { team: "core" },
      inputs: { value: { case: "json", value: '{"ref":"main"}' } },
    });
    expect(steps.map(({ key }) => key)).toEqual(["build", "test", "pack", "sums"]);
    const [, tested, pack] = steps;
    expect(tested).toMatchObject({
      needs: [{ step: "build", regardless: false }],
      estimate: { optimistic: { seconds: 20n }, likely: { seconds: 40n }, pessimistic: { seconds: 90n } },
      timeout: { seconds: 600n },
      retry: { maxAttempts: 3 },
      onFailure: OnFailure.FAIL_PLAN,
    });
    expect(pack?.needs).toMatchObject([{ step: "test", regardless: true }]);
    expect(pack?.kind.value).toMatchObject({
      hold: { moneyMicros: 250_000n, energyMillijoules: 2_000_000n, wall: { seconds: 60n } },
    });
  });

  test("may be JSON", () => {
    expect(accepted(JSON.stringify(parse(GOOD))).steps).toHaveLength(4);
  });

  test("may name a charter that exists, and share parts by anchors", () => {
    const { terms, steps } = accepted(
      "charter: c\ngoal: { name: g }\nsteps:\n  a: &one { capability: shell, input: { run: x } }\n  b: { <<: *one, needs: [a] }\n",
    );
    expect(terms).toBeUndefined();
    expect(steps[1]?.needs).toMatchObject([{ step: "a" }]);
  });
});

describe("mistakes in a plan file", () => {
  test("are all told, each with its place and a suggestion where one is near", () => {
    const told = mistakes(`charter: { name: c, deadlin: 30m }
goal: { name: g }
steps:
  a:
    capabilty: shell
    timeout: 10 minutes
    on_failure: fial
    retry: { max: 0 }
`);
    expect(told).toEqual([
      'f:1:21: charter.deadlin: unknown key; did you mean "deadline"?',
      'f:5:5: steps.a.capabilty: unknown key; did you mean "capability"?',
      'f:5:5: steps.a: "capability" is missing',
      'f:6:14: steps.a.timeout: must be a duration such as 30s, 10m or 1h30m, and is "10 minutes"',
      'f:7:17: steps.a.on_failure: must be one of fail, skip_dependents, carry_on, ask (did you mean "fail"?), and is "fial"',
      "f:8:19: steps.a.retry.max: must be a whole number from 1 to 1000, and is 0",
    ]);
  });

  test.each([
    [
      "a cycle",
      "charter: c\ngoal: { name: g }\nsteps:\n  a: { capability: x, needs: [b] }\n  b: { capability: x, needs: [a] }\n",
      /wait for each other: (a → b → a|b → a → b)/,
    ],
    ["a need for a step that is not there", withStep("{ capability: x, needs: [nobody] }"), /nobody/],
    [
      "a reference to a step that is not there",
      withStep('{ capability: x, input: "${{ steps.nobody.outputs.y }}" }'),
      /nobody/,
    ],
    [
      "a reference to an input that is not there",
      withStep('{ capability: x, input: "${{ goal.inputs.ref }}" }'),
      /goal\.inputs\.ref/,
    ],
    ["an artifact that nobody makes", withStep("{ capability: x, consumes: [tree] }"), /"tree" is produced by no step/],
    ["an estimate that falls", withStep("{ capability: x, estimate: [3s, 2s, 1s] }"), /must rise/],
    [
      "an integer that numbers cannot hold",
      withStep("{ capability: x, input: { n: 9007199254740993 } }"),
      /beyond what JSON numbers can hold/,
    ],
    ["money without a currency", withStep("{ capability: x, hold: { money: 5 } }"), /such as 5 USD/],
    [
      "a key given twice",
      "charter: c\ngoal: { name: g }\nsteps:\n  a: { capability: x }\n  a: { capability: y }\n",
      /^f:5:3: steps\.a: the key is there twice$/,
    ],
    [
      "a key given twice in an input",
      withStep("{ capability: x, input: { n: 1, m: 2, n: 3 } }"),
      /^f:4:44: steps\.a\.input\.n: the key is there twice$/,
    ],
    [
      "a tag of another language",
      withStep("{ capability: x, input: { run: !!js/function 'x' } }"),
      /^f:4:\d+: steps\.a\.input\.run: has the tag !!js\/function, which a plan file does not know$/,
    ],
    [
      "bytes",
      withStep("{ capability: x, input: { run: !!binary aGk= } }"),
      /^f:4:\d+: steps\.a\.input\.run: has the tag !!binary, which a plan file does not know$/,
    ],
    ["a number that is none", withStep("{ capability: x, input: { n: .nan } }"), /input\.n: \.nan is beyond/],
    [
      "a number without an end",
      withStep("{ capability: x, timeout: -.inf }"),
      /timeout: must be a duration .*, and is -\.inf$/,
    ],
    [
      "a second document",
      `${withStep("{ capability: x }")}---\ncharter: d\n`,
      /^f:5:1: a second document begins here; a plan file is one$/,
    ],
    [
      "a need that is no key",
      withStep("{ capability: x, needs: [1] }"),
      /needs\[0\]: must be a step's key, or a map with a step's key under `step`, and is 1$/,
    ],
    ["text that is no YAML", "charter: [", /f:1:\d+/],
    ["nothing at all", "", /must be a map/],
    [
      "an alias of itself",
      "charter: c\ngoal: { name: g }\nsteps:\n  a: { capability: x, input: &i [ *i ] }\n",
      /nested deeper|too many/,
    ],
    [
      "a step's key with a space",
      'charter: c\ngoal: { name: g }\nsteps:\n  "a b": { capability: x }\n',
      /letters, digits/,
    ],
  ])("name %s", (_name, source, expected) => {
    const told = mistakes(source);
    expect(told.join("\n")).toMatch(expected);
    expect(told[0]).toMatch(/^f(:\d+:\d+)?: /);
  });
});

test("each key of a map is told once when it is there twice, however often the map is merged", () => {
  const told = mistakes(
    "charter: c\ngoal: { name: g }\nsteps:\n  a: &one { capability: x, priority: 1, priority: 2 }\n  b: { <<: *one }\n  c: { <<: *one }\n",
  );
  expect(told).toEqual(["f:4:41: steps.a.priority: the key is there twice"]);
});

test("is read in a time that grows with its steps, not with their square", () => {
  const millis = (count: number): number => {
    const steps = Array.from({ length: count }, (_, i) => `  s${i}: { capability: x }\n`).join("");
    const began = process.cpuUsage();
    expect(mistakes(`charter: c\ngoal: { name: g }\nsteps:\n${steps}`)).toEqual([]);
    return process.cpuUsage(began).user / 1000;
  };
  millis(500);
  const few = millis(3_000);
  // Eight times as many. By the square it would be 64 times, and was at least 30.
  expect(millis(24_000)).toBeLessThan(20 * Math.max(few, 50));
});

describe("the editors' schema", () => {
  test("is what the reader knows", () => {
    const committed = JSON.parse(
      readFileSync(new URL("../../src/cli/plan-file/schema.json", import.meta.url), "utf8"),
    ) as unknown;
    expect(committed).toEqual(JSON.parse(JSON.stringify(planFileSchema())));
  });

  test("takes what the reader takes, and refuses unknown keys", () => {
    const validate = new Ajv2020({ strict: false }).compile(planFileSchema());
    expect(validate(parse(GOOD))).toBe(true);
    expect(validate({ charter: "c", goal: { name: "g" }, steps: { a: { capabilty: "x" } } })).toBe(false);
  });
});
