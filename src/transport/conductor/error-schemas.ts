// JSON schemas of answers that are errors; what they describe is made in codes.ts.
import { STATUS } from "./codes.ts";
import type { Schema } from "./schemas.ts";

const text = { type: "string" };
const textOrNull = { type: ["string", "null"] };

const refusal = {
  title: "Refusal",
  type: "object",
  description: "Why it was refused: what programs and people can go by.",
  properties: {
    reason: { type: "string", enum: Object.keys(STATUS) },
    stage: { ...text, description: "Stage of the engine that refused." },
    rule: { ...text, description: "The rule behind it." },
    explanation: { ...text, description: "One sentence for people." },
    metadata: { type: "object", additionalProperties: text, description: "The facts, by name." },
    remedy: { ...text, description: "What helps; empty when nothing does." },
    lifter: { ...text, description: "Who can lift it." },
    retryable: { type: "boolean", description: "Whether the very same may be taken later." },
    retry_after_ms: { type: ["integer", "null"], description: "When to come again." },
    record_uri: { ...textOrNull, description: "The record of the refusal." },
    violations: {
      type: "array",
      items: {
        type: "object",
        properties: { field: text, description: text, rule: text },
        required: ["field", "description", "rule"],
      },
    },
  },
  required: ["reason", "stage", "rule", "explanation", "metadata", "remedy", "lifter", "retryable", "violations"],
};

const validationError = {
  title: "ValidationError",
  type: "object",
  properties: {
    loc: {
      type: "array",
      items: { anyOf: [text, { type: "integer" }] },
      description: "Where: `body`, `query`, `path` or `header` first.",
    },
    msg: { ...text, description: "What is wrong." },
    type: { ...text, description: "What is wrong, for programs." },
    input: { description: "What was given, where that is short." },
    ctx: { type: "object", description: "Bounds and the like." },
  },
  required: ["loc", "msg", "type"],
};

const refusalRef = { $ref: "#/components/schemas/Refusal" };

export const ERROR_SCHEMAS: Readonly<Record<string, Schema>> = {
  Refusal: refusal,
  ValidationError: validationError,
  HTTPValidationError: {
    title: "HTTPValidationError",
    type: "object",
    properties: {
      detail: { type: "array", items: { $ref: "#/components/schemas/ValidationError" } },
      refusal: refusalRef,
    },
    required: ["detail", "refusal"],
  },
  HTTPError: {
    title: "HTTPError",
    type: "object",
    properties: { detail: text, refusal: refusalRef },
    required: ["detail"],
  },
};
