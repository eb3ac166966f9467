// What rules of fields cannot say of every text: no NUL character, no lone surrogate. Puts maps in order on the way, so that equal messages
// have equal bytes, whichever order a client's map was written in. Compiled once per message type: it runs for every message.
import { ScalarType } from "@bufbuild/protobuf";
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import type { Violation } from "../domain/refusal.ts";

type Fields = Record<string, unknown>;
type Check = (message: Fields, path: string, found: Violation[]) => void;

const compiled = new Map<string, Check>();

export function checkTexts(schema: DescMessage, message: Message): readonly Violation[] {
  const found: Violation[] = [];
  checkOf(schema)(message, "", found);
  return found;
}

function checkOf(schema: DescMessage): Check {
  const known = compiled.get(schema.typeName);
  if (known !== undefined) return known;
  let checks: readonly Check[] = [];
  const check: Check = (message, path, found) => {
    for (const one of checks) one(message, path, found);
  };
  // Before its fields are looked at: a message may hold its own kind.
  compiled.set(schema.typeName, check);
  checks = schema.fields.flatMap((field) => fieldCheck(field) ?? []);
  return check;
}

type Visit = (value: unknown, path: string, found: Violation[]) => void;

function fieldCheck(field: DescField): Check | undefined {
  const visit = visitOf(field);
  if (visit === undefined) return undefined;
  const { localName, name, oneof } = field;
  if (oneof !== undefined) {
    return (message, path, found) => {
      const member = message[oneof.localName] as { readonly case?: string; readonly value?: unknown };
      if (member.case === localName) visit(member.value, `${path}${name}`, found);
    };
  }
  return (message, path, found) => {
    const value = message[localName];
    if (value !== undefined) visit(value, `${path}${name}`, found);
    if (field.fieldKind === "map") message[localName] = inOrder(value as Fields);
  };
}

function visitOf(field: DescField): Visit | undefined {
  switch (field.fieldKind) {
    case "scalar":
      return field.scalar === ScalarType.STRING ? visitText : undefined;
    case "enum":
      return undefined;
    case "message":
      return visitMessage(field.message);
    case "list": {
      const visit =
        field.listKind === "message"
          ? visitMessage(field.message)
          : field.listKind === "scalar" && field.scalar === ScalarType.STRING
            ? visitText
            : undefined;
      if (visit === undefined) return undefined;
      return (value, path, found) => {
        const list = value as readonly unknown[];
        for (let i = 0; i < list.length; i++) visit(list[i], `${path}[${i}]`, found);
      };
    }
    case "map": {
      const visit =
        field.mapKind === "message"
          ? visitMessage(field.message)
          : field.mapKind === "scalar" && field.scalar === ScalarType.STRING
            ? visitText
            : undefined;
      return (value, path, found) => {
        for (const [key, member] of Object.entries(value as Fields)) {
          const place = `${path}[${JSON.stringify(key)}]`;
          visitText(key, place, found);
          visit?.(member, place, found);
        }
      };
    }
  }
}

function visitMessage(schema: DescMessage): Visit {
  const check = checkOf(schema);
  return (value, path, found) => check(value as Fields, `${path}.`, found);
}

function visitText(value: unknown, path: string, found: Violation[]): void {
  const text = value as string;
  if (text.includes("\0"))
    found.push({ field: path, description: "must not contain a NUL character", rule: "string.nul" });
  else if (!text.isWellFormed())
    found.push({ field: path, description: "must be valid Unicode text", rule: "string.well_formed" });
}

function inOrder(map: Fields): Fields {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
