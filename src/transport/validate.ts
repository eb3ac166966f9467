// Judges messages by the rules of the contract. Not here: rules that need more than the message, which are the domain's.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { invalid } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import { checkTexts } from "./texts.ts";

/** Violations that are named in one refusal; a long list of bad steps would make the answer larger than the request. */
const NAMED = 100;

const validator = createValidator();

export function validate<D extends DescMessage>(schema: D, message: MessageShape<D>): Decision<MessageShape<D>> {
  const texts = checkTexts(schema, message);
  if (texts.length > 0) return invalid(...texts.slice(0, NAMED));
  const result = validator.validate(schema, message);
  switch (result.kind) {
    case "valid":
      return { ok: true, value: message };
    case "invalid":
      return invalid(
        ...result.violations
          .slice(0, NAMED)
          .map((v) => ({ field: pathToString(v.field), description: v.message, rule: v.ruleId })),
      );
    case "error":
      throw result.error;
  }
}
