// What rules of fields cannot say of every text: no NUL character, no lone surrogate. Counts lists and maps as well, before anybody
// judges what is in them: four megabytes hold millions of empty entries. Puts maps in order on the way, so that equal messages have
// equal bytes, whichever order a client's map was written in. Compiled once per message type: it runs for every message.
import { ScalarType, getOption, hasOption } from "@bufbuild/protobuf";
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import type { Violation } from "../domain/refusal.ts";
import { orderObject } from "./free-objects.ts";

type Fields = Record<string, unknown>;
type Check = (message: Fields, path: string, found: Violation[]) => void;

const compiled = new Map<string, Check>();

export function checkTexts(schema: DescMessage, message: Message): readonly Violation[] {
  const found: Violation[] = [];
  checkOf(schema)(message, "", found);
  return found;
}

/** Whether a list is longer than its field may be; what is in it is not looked at. */
export function countOf(field: DescField, list: readonly unknown[]): readonly Violation[] {
  const most = mostOf(field);
  return list.length <= most ? [] : [tooMany(field.name, most, "repeated.max_items")];
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
      const most = mostOf(field);
      return (value, path, found) => {
        const list = value as readonly unknown[];
        if (list.length > most) found.push(tooMany(path, most, "repeated.max_items"));
        else if (visit !== undefined) for (let i = 0; i < list.length; i++) visit(list[i], `${path}[${i}]`, found);
      };
    }
    case "map": {
      const visit =
        field.mapKind === "message"
          ? visitMessage(field.message)
          : field.mapKind === "scalar" && field.scalar === ScalarType.STRING
            ? visitText
            : undefined;
      const most = mostOf(field);
      return (value, path, found) => {
        const members = Object.entries(value as Fields);
        if (members.length > most) {
          found.push(tooMany(path, most, "map.max_pairs"));
          return;
        }
        for (const [key, member] of members) {
          const place = `${path}[${JSON.stringify(key)}]`;
          visitText(key, place, found);
          visit?.(member, place, found);
        }
      };
    }
  }
}

/** Most entries that the contract allows. */
function mostOf(field: DescField): number {
  const rules = hasOption(field, fieldRules) ? getOption(field, fieldRules).type : undefined;
  const most = rules?.case === "repeated" ? rules.value.maxItems : rules?.case === "map" ? rules.value.maxPairs : 0n;
  return most === 0n ? Number.POSITIVE_INFINITY : Number(most);
}

function tooMany(field: string, most: number, rule: string): Violation {
  return { field, description: `must have at most ${most} entries`, rule };
}

function visitMessage(schema: DescMessage): Visit {
  if (schema.typeName === "google.protobuf.Struct") return visitObject;
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

/** A free object, which protobuf-es keeps as plain JSON. */
function visitObject(value: unknown, path: string, found: Violation[]): void {
  const problem = orderObject(value as Record<string, never>);
  if (problem !== undefined) found.push({ field: path, description: problem, rule: "json" });
}
