// Messages as REST writes them: names of the contract, words of enums in lower case, times in UTC, null for what is absent.
// Compiled once per kind of message: it runs for every answer.
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { GateMode } from "../../../gen/maestro/v1/charter_pb.ts";
import { STRUCT, TIMESTAMP, enumWord, isAbsentWhenEmpty, isNullWhenEmpty } from "./shape.ts";
import { timeText } from "./times.ts";

type Fields = Readonly<Record<string, unknown>>;
export type Written = Record<string, unknown>;
type Write = (message: Fields) => Written;
type Put = (from: Fields, to: Written) => void;
type WriteValue = (value: unknown) => unknown;

const compiled = new Map<string, Write>();

/** What becomes of a message; a gate that believes the flags says neither its mode nor its verdicts. */
export function written(schema: DescMessage, message: Message): Written {
  return writerOf(schema)(message);
}

export function writerOf(schema: DescMessage): Write {
  const known = compiled.get(schema.typeName);
  if (known !== undefined) return known;
  let puts: readonly Put[] = [];
  const write: Write = (message) => {
    const to: Written = {};
    for (const put of puts) put(message, to);
    return to;
  };
  // Before its fields are looked at: a message may hold its own kind.
  compiled.set(schema.typeName, write);
  puts = schema.fields.map(putOf);
  return write;
}

function putOf(field: DescField): Put {
  const { name, localName } = field;
  const write = valueOf(field);
  if (isAbsentWhenEmpty(field)) {
    return (from, to) => {
      const value = from[localName];
      if (value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0)) to[name] = write(value);
    };
  }
  if (isNullWhenEmpty(field)) {
    return (from, to) => {
      to[name] = from[localName] === "" ? null : from[localName];
    };
  }
  if (field.parent.typeName === "maestro.conductor.v1.ReleaseGate" && (name === "mode" || name === "verdicts")) {
    return (from, to) => {
      if (from["mode"] === GateMode.VERIFIED) to[name] = write(from[localName]);
    };
  }
  return (from, to) => {
    to[name] = write(from[localName]);
  };
}

const orNull: WriteValue = (value) => value ?? null;

function valueOf(field: DescField): WriteValue {
  switch (field.fieldKind) {
    case "scalar":
      return orNull;
    case "enum":
      return (value) => enumWord(field.enum, value as number);
    case "message":
      return messageOf(field.message);
    case "list": {
      if (field.listKind !== "message") return (value) => value;
      const write = writerOf(field.message);
      return (value) => (value as readonly Fields[]).map(write);
    }
    case "map":
      return (value) => ({ ...(value as Fields) });
  }
}

function messageOf(schema: DescMessage): WriteValue {
  if (schema.typeName === STRUCT) return (value) => value ?? {};
  if (schema.typeName === TIMESTAMP) return (value) => (value === undefined ? null : timeText(value as Timestamp));
  const write = writerOf(schema);
  return (value) => (value === undefined ? null : write(value as Fields));
}
