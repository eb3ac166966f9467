// JSON schemas of what REST takes and gives, made from the same descriptors, rules and comments as reader and writer.
import { ScalarType } from "@bufbuild/protobuf";
import type { DescEnum, DescField, DescMessage } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { Comments } from "./comments.ts";
import { DEPENDENCY, nameOrNames, pairsOrObject } from "./dependencies.ts";
import {
  BARE_LIST,
  STRUCT,
  TIMESTAMP,
  enumWords,
  isAbsentWhenEmpty,
  isNullWhenEmpty,
  isRequired,
  rulesOf,
} from "./shape.ts";

export type Schema = Readonly<Record<string, unknown>>;
type Way = "in" | "out";

export interface Schemas {
  /** Refers to the schema of a message that is answered. */
  answer(desc: DescMessage): Schema;
  /** Refers to the schema of a body with these fields of a message. */
  body(desc: DescMessage, fields: readonly DescField[]): Schema;
  /** Schema of one field of a request. */
  parameter(field: DescField): Schema;
  /** All that were referred to. */
  readonly components: Readonly<Record<string, Schema>>;
}

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

export function createSchemas(comments: Comments): Schemas {
  const components: Record<string, Schema> = {};

  const object = (desc: DescMessage, fields: readonly DescField[], name: string, way: Way): Schema => {
    if (components[name] !== undefined) return ref(name);
    components[name] = {};
    const required = fields.filter((field) => (way === "in" ? isRequired(field) : isAlwaysThere(field)));
    components[name] = {
      title: name,
      type: "object",
      ...described(comments.of(desc)),
      properties: Object.fromEntries(fields.map((field) => [field.name, property(field, way)])),
      ...(required.length === 0 ? {} : { required: required.map((field) => field.name) }),
    };
    return ref(name);
  };

  const property = (field: DescField, way: Way): Schema => {
    const schema = valueOf(field, way);
    const nullable = way === "in" ? !isRequired(field) : isNullable(field);
    const description = described(comments.of(field));
    return nullable ? { anyOf: [schema, { type: "null" }], ...description } : { ...schema, ...description };
  };

  const enumOf = (desc: DescEnum): Schema => {
    components[desc.name] ??= {
      title: desc.name,
      type: "string",
      ...described(comments.of(desc)),
      enum: enumWords(desc),
    };
    return ref(desc.name);
  };

  const messageOf = (desc: DescMessage, way: Way): Schema => {
    if (desc.typeName === STRUCT) return { type: "object", additionalProperties: true };
    if (desc.typeName === TIMESTAMP) return { type: "string", format: "date-time" };
    if (desc.typeName === BARE_LIST) return { type: "array", items: { type: "string", minLength: 1, maxLength: 255 } };
    return object(desc, desc.fields, way === "in" ? `${desc.name}Input` : desc.name, way);
  };

  const valueOf = (field: DescField, way: Way): Schema => {
    switch (field.fieldKind) {
      case "scalar":
        return way === "in" ? taken(field, { ...scalarOf(field.scalar), ...boundsOf(field) }) : scalarOf(field.scalar);
      case "enum":
        return enumOf(field.enum);
      case "message":
        return messageOf(field.message, way);
      case "map":
        return { type: "object", additionalProperties: { type: "string" } };
      case "list": {
        const items =
          field.listKind === "message"
            ? messageOf(field.message, way)
            : field.listKind === "enum"
              ? enumOf(field.enum)
              : scalarOf(field.scalar);
        return way === "in" ? taken(field, { type: "array", items, ...boundsOf(field) }) : { type: "array", items };
      }
    }
  };

  return {
    components,
    answer: (desc) => messageOf(desc, "out"),
    body: (desc, fields) => object(desc, fields, desc.name, "in"),
    parameter: (field) => valueOf(field, "in"),
  };
}

/** What is taken besides what the contract has. */
function taken(field: DescField, schema: Schema): Schema {
  if (field.parent.typeName === DEPENDENCY && field.name === "depends_on") return nameOrNames(schema);
  return field.fieldKind === "list" && field.listKind === "message" && field.message.typeName === DEPENDENCY
    ? pairsOrObject(schema)
    : schema;
}

function described(comment: string): { readonly description?: string } {
  return comment === "" ? {} : { description: comment };
}

function isAlwaysThere(field: DescField): boolean {
  const { name, parent } = field;
  if (parent.typeName === "maestro.conductor.v1.ReleaseGate") return name !== "mode" && name !== "verdicts";
  return !isAbsentWhenEmpty(field);
}

function isNullable(field: DescField): boolean {
  if (isNullWhenEmpty(field)) return true;
  if (field.fieldKind === "message") return field.message.typeName !== STRUCT;
  return field.fieldKind === "scalar" && field.presence !== FeatureSet_FieldPresence.IMPLICIT;
}

function scalarOf(scalar: ScalarType): Schema {
  switch (scalar) {
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.DOUBLE:
      return { type: "number" };
    case ScalarType.INT32:
      return { type: "integer" };
    default:
      throw new Error(`no answer of REST has a scalar of kind ${scalar}`);
  }
}

/** The contract's rules as JSON schema has them. Lengths there are bytes; characters are never more. */
function boundsOf(field: DescField): Schema {
  const type = rulesOf(field)?.type;
  switch (type?.case) {
    case "string": {
      const { minLen, maxBytes, pattern } = type.value;
      return {
        ...(minLen > 0n ? { minLength: Number(minLen) } : {}),
        ...(maxBytes > 0n ? { maxLength: Number(maxBytes) } : {}),
        ...(pattern === "" ? {} : { pattern }),
      };
    }
    case "double": {
      const { greaterThan, lessThan } = type.value;
      return {
        ...(greaterThan.case === "gte" ? { minimum: greaterThan.value } : {}),
        ...(lessThan.case === "lte" ? { maximum: lessThan.value } : {}),
      };
    }
    case "repeated": {
      const { minItems, maxItems, unique } = type.value;
      return {
        ...(minItems > 0n ? { minItems: Number(minItems) } : {}),
        ...(maxItems > 0n ? { maxItems: Number(maxItems) } : {}),
        ...(unique ? { uniqueItems: true } : {}),
      };
    }
    default:
      return {};
  }
}
