// Judges messages by the rules of the contract. Not here: rules that need more than the message, which are the domain's.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DescField, DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import { invalid } from "../domain/refusal.ts";
import type { Decision, Violation } from "../domain/refusal.ts";
import { ruleInWords } from "../support/counted.ts";
import { isPlainlyValid } from "./plain-rules.ts";
import { checkTexts, countOf } from "./texts.ts";

/** Violations that are named in one refusal; a long list of bad steps would make the answer larger than the request. */
const NAMED = 100;

/** Entries of a list that are judged in one turn of the event loop: some 3 ms of steps. */
const SLICE = 64;

/** Renewals that are judged in one turn: each may carry a thousand lines. */
export const RENEWALS_EACH = 4;

const validator = createValidator();

export function validate<D extends DescMessage>(schema: D, message: MessageShape<D>): Decision<MessageShape<D>> {
  const violations = violationsOf(schema, message);
  return violations.length === 0 ? { ok: true, value: message } : invalid(...violations);
}

export interface Slices {
  /** Where the message is in what was sent, such as `renewals.`. */
  readonly within?: string;
  /** Entries that are judged in one turn of the event loop. */
  readonly size?: number;
}

/** As `validate`, in slices when the message has a long list: two thousand steps would hold everybody up for 50 ms and more. */
export function validateInSlices<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
  { within = "", size = SLICE }: Slices = {},
): Decision<MessageShape<D>> | Promise<Decision<MessageShape<D>>> {
  const fields = message as unknown as Record<string, unknown>;
  const long = schema.fields.flatMap((field) => {
    if (field.fieldKind !== "list" || field.listKind !== "message") return [];
    const list = fields[field.localName] as readonly Message[];
    return list.length > size ? [{ field, schema: field.message, list }] : [];
  });
  if (long.length > 0) return sliced(schema, message, long, within, size);
  const found = violationsOf(schema, message);
  return found.length === 0 ? { ok: true, value: message } : invalid(...placed(found, within));
}

interface LongList {
  readonly field: DescField;
  readonly schema: DescMessage;
  readonly list: readonly Message[];
}

async function sliced<D extends DescMessage>(
  schema: D,
  message: MessageShape<D>,
  long: readonly LongList[],
  within: string,
  size: number,
): Promise<Decision<MessageShape<D>>> {
  // How many there are is judged first, then the message with the first of each, then the others.
  const tooMany = long.flatMap(({ field, list }) => countOf(field, list));
  if (tooMany.length > 0) return invalid(...placed(tooMany, within));
  const shell = { ...message, ...Object.fromEntries(long.map((l) => [l.field.localName, l.list.slice(0, size)])) };
  const found = [...violationsOf(schema, shell)];
  // Its own maps are in order now.
  Object.assign(message, shell, Object.fromEntries(long.map((l) => [l.field.localName, l.list])));
  for (const { field, schema: entry, list } of long) {
    for (let i = size; i < list.length && found.length < NAMED; i++) {
      if (i % size === 0) await nextTurn();
      const one = list[i];
      if (one !== undefined) found.push(...placed(violationsOf(entry, one), `${field.name}[${i}].`));
    }
  }
  return found.length === 0 ? { ok: true, value: message } : invalid(...placed(found.slice(0, NAMED), within));
}

function placed(violations: readonly Violation[], within: string): readonly Violation[] {
  return within === "" ? violations : violations.map((v) => ({ ...v, field: `${within}${v.field}` }));
}

function violationsOf(schema: DescMessage, message: Message): readonly Violation[] {
  const texts = checkTexts(schema, message);
  if (texts.length > 0) return texts.slice(0, NAMED);
  if (isPlainlyValid(schema, message)) return [];
  const result = validator.validate(schema, message);
  switch (result.kind) {
    case "valid":
      return [];
    case "invalid":
      return result.violations
        .slice(0, NAMED)
        .map((v) => ({ field: pathToString(v.field), description: ruleInWords(v.message), rule: v.ruleId }));
    case "error":
      throw result.error;
  }
}
