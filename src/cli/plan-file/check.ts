// What can be judged of a plan file without a server: the contract's rules for each message, references, artifacts, cycles.
// The rules are the server's own; here they get places in the file.
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import type { Violation } from "@bufbuild/protovalidate";
import { CharterTermsSchema } from "../../../gen/maestro/v1/charter_pb.ts";
import { GoalSpecSchema } from "../../../gen/maestro/v1/goal_pb.ts";
import { StepDefinitionSchema } from "../../../gen/maestro/v1/step_pb.ts";
import type { StepDefinition as WireStep } from "../../../gen/maestro/v1/step_pb.ts";
import { cycleText, findCycles } from "../../domain/graph/cycles.ts";
import { kindViolations } from "../../domain/gate.ts";
import { deriveEdges } from "../../domain/graph/edges.ts";
import type { Payload } from "../../domain/payload.ts";
import { DEFAULT_TIMEOUT_MS, NO_RETRY, plainStep } from "../../domain/step.ts";
import type { StepDefinition } from "../../domain/step.ts";
import { ruleInWords } from "../../support/counted.ts";
import { builderKeys, NO_FILES } from "./keys.ts";
import type { ReadKey } from "./keys.ts";
import type { Mistake } from "./mistakes.ts";
import { readPlanFile } from "./read.ts";
import { requestsOf } from "./requests.ts";
import type { Requests } from "./requests.ts";
import { injections, wrongShellInputs } from "./shell-input.ts";

export type CheckedFile =
  | {
      readonly ok: true;
      readonly requests: Requests;
      readonly edgeCount: number;
      /** What is allowed, and hardly what is wanted. */
      readonly warnings: readonly Mistake[];
    }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

export function checkPlanFile(source: string, readKey: ReadKey = NO_FILES): CheckedFile {
  const read = readPlanFile(source);
  if (!read.ok) return read;
  const { keys, mistakes } = builderKeys(read.file, readKey);
  const requests = requestsOf(read.file, keys);
  const placed = (found: readonly Found[]): Mistake[] =>
    found
      .map(({ path, message }) => ({ ...read.placeOf(path), path, message }))
      .sort((a, b) => a.line - b.line || a.column - b.column);
  const found = [
    ...contract(requests, mistakes),
    ...kinds(requests),
    ...graph(requests),
    ...wrongShellInputs(requests),
  ];
  if (found.length > 0) return { ok: false, mistakes: placed(found) };
  return {
    ok: true,
    requests,
    edgeCount: edgesOf(requests).edges.length,
    warnings: placed(injections(requests)),
  };
}

interface Found {
  readonly path: string;
  readonly message: string;
}

/** The contract's rules; of the charter only once its keys are there. */
function contract({ terms, goal, steps }: Requests, ofKeys: readonly Found[]): Found[] {
  const validator = createValidator();
  const judge = <D extends DescMessage>(schema: D, message: Message, prefix: string): Found[] => {
    const result = validator.validate(schema, message as never);
    if (result.kind === "error") throw result.error;
    if (result.kind === "valid") return [];
    return result.violations.map((violation) => {
      const field = fieldOf(violation.field.map(segmentOf).join("").replace(/^\./, ""));
      return { path: field === "" ? prefix : `${prefix}.${field}`, message: ruleInWords(violation.message) };
    });
  };
  return [
    ...(ofKeys.length > 0 ? ofKeys : terms === undefined ? [] : judge(CharterTermsSchema, terms, "charter")),
    ...judge(GoalSpecSchema, goal, "goal"),
    ...steps.flatMap((step) => judge(StepDefinitionSchema, step, `steps.${step.key}`)),
  ];
}

type Segment = Violation["field"][number];

/** A part of a field's path, as the reader writes paths. */
function segmentOf(part: Segment): string {
  if (part.kind === "list_sub") return `[${part.index}]`;
  return part.kind === "map_sub" ? `.${String(part.key)}` : `.${part.name}`;
}

/** What the contract names otherwise than the file does. */
function fieldOf(path: string): string {
  return path
    .replace(/^work\./, "")
    .replace(/^constraints\./, "")
    .replace(/^key$/, "")
    .replace("retry.max_attempts", "retry.max")
    .replace("money_micros", "money")
    .replace("energy_millijoules", "energy")
    .replace(/(inputs?)\.json$/, "$1");
}

/** What a step says that its kind does not allow. */
function kinds({ steps }: Requests): Found[] {
  return steps.flatMap((step) =>
    kindViolations(asDefined(step)).map(({ field, description }) => ({
      path: `steps.${step.key}.${fieldOf(field)}`,
      message: description,
    })),
  );
}

function graph(requests: Requests): Found[] {
  if (requests.steps.length === 0) return [{ path: "steps", message: "must have at least one step" }];
  const { edges, violations, missing } = edgesOf(requests);
  const path = (field: string): string =>
    field.replace(/^steps\[(\d+)\]/, (_whole, index: string) => `steps.${requests.steps[Number(index)]?.key ?? index}`);
  return [
    ...violations.map(({ field, description }) => ({ path: path(field), message: description })),
    ...missing.map(({ field, artifact }) => ({
      path: path(field),
      message: `artifact "${artifact}" is produced by no step`,
    })),
    ...findCycles(
      requests.steps.map(({ key }) => key),
      edges,
    ).map((cycle) => ({
      path: `steps.${cycle[0] ?? ""}`,
      message: `the steps wait for each other: ${cycleText(cycle)}`,
    })),
  ];
}

export function edgesOf({ steps, goal }: Requests): ReturnType<typeof deriveEdges> {
  const inputs = goal.inputs?.value.case === "json" ? (JSON.parse(goal.inputs.value.value) as object) : {};
  return deriveEdges(steps.map(asDefined), { goalInputs: new Set(Object.keys(inputs)) });
}

/** A step with what edges and the rules of its kind are derived from. */
function asDefined(step: WireStep): StepDefinition {
  const { compensation, kind } = step;
  return plainStep(step.key, {
    kind: kind.case === "gate" ? "gate" : "work",
    title: step.title,
    capability: kind.case === "work" ? kind.value.capability : "",
    needs: step.needs.map(({ step: needed, regardless }) => ({ step: needed, regardless })),
    condition: step.condition,
    input: plainPayload(step.input),
    compensation:
      compensation === undefined
        ? null
        : {
            capability: compensation.capability,
            input: plainPayload(compensation.input),
            timeoutMs: DEFAULT_TIMEOUT_MS,
            retry: NO_RETRY,
          },
    produces: step.produces,
    consumes: step.consumes,
  });
}

function plainPayload(payload: WireStep["input"]): Payload | null {
  return payload?.value.case === "json" ? { kind: "json", text: payload.value.value } : null;
}
