// Ids of any shape: a text that can be nobody's id, and that the contract's rules would refuse, becomes one that can be looked up in
// vain, so that its call is judged and recorded like that of any unknown id. Not here: which fields hold ids, see endpoints.ts.
import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { ID_FIELDS } from "./endpoints.ts";
import { isRequired } from "./shape.ts";

type Fields = Record<string, unknown>;

/** What is kept of an id that is too long; every id that there is is shorter. */
const KEPT = 255;

const compiled = new Map<string, readonly DescField[]>();

/** Changes the message, which nobody else has yet. */
export function makeLookable(schema: DescMessage, message: Message): void {
  const fields = message as unknown as Fields;
  for (const field of idFieldsOf(schema)) {
    const { localName } = field;
    const value = fields[localName];
    if (typeof value === "string") {
      // An empty one says that there is none, where there need not be one; where one is missing, another error says so.
      if (value !== "" || isRequired(field)) fields[localName] = lookable(value);
    } else if (Array.isArray(value)) fields[localName] = value.map(lookable);
  }
}

function idFieldsOf(schema: DescMessage): readonly DescField[] {
  const known = compiled.get(schema.typeName);
  if (known !== undefined) return known;
  const found = schema.fields.filter(
    (field) => ID_FIELDS.has(field.name) && "scalar" in field && field.scalar === ScalarType.STRING,
  );
  compiled.set(schema.typeName, found);
  return found;
}

function lookable(id: string): string {
  if (id === "") return '""';
  const plain = id.length > KEPT ? `${id.slice(0, KEPT)}…` : id;
  return plain.toWellFormed().replaceAll("\0", "\ufffd");
}
