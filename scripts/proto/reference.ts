// The reference of the contract, written from the protos: a page for each file with its services, messages and enums, their
// comments, rules, capabilities and refusals, and an index of all calls. Not here: when it is written, see contract.ts.
import { getOption, hasOption } from "@bufbuild/protobuf";
import type { DescEnum, DescField, DescFile, DescMessage, DescMethod, DescService, Registry } from "@bufbuild/protobuf";
import { ScalarType, createFileRegistry, createRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import {
  FieldRulesSchema,
  field as fieldRules,
  file_buf_validate_validate,
  oneof as oneofRules,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { operations } from "../../gen/maestro/v1/options_pb.ts";
import { commentsOf } from "./comments.ts";
import type { Comments } from "./comments.ts";

/** Packages that have pages, each with what its files' names begin with: two of them may have a file of one name. */
const PREFIXES: Readonly<Record<string, string>> = { "maestro.v1": "", "maestro.conductor.v1": "conductor_" };

/** Pages by file name; `image` is a FileDescriptorSet with source info. */
export function referencePages(image: Uint8Array): ReadonlyMap<string, string> {
  const rules = createRegistry(file_buf_validate_validate);
  const files = [...createFileRegistry(fromBinary(FileDescriptorSetSchema, image)).files]
    .filter((file) => prefixOf(file) !== undefined)
    .sort((a, b) => (pageName(a) < pageName(b) ? -1 : 1));
  const pages = files.map((file): [string, string] => [pageName(file), page(file, rules)]);
  return new Map([["README.md", index(files)], ...pages]);
}

function prefixOf(file: DescFile): string | undefined {
  return PREFIXES[file.proto.package];
}

function pageName(file: DescFile): string {
  const name = nameOf(file);
  const prefix = prefixOf(file) ?? "";
  return `${name.startsWith(prefix) ? "" : prefix}${name}.md`;
}

function nameOf(file: DescFile): string {
  return file.name.slice(file.name.lastIndexOf("/") + 1);
}

function index(files: readonly DescFile[]): string {
  const services = files.flatMap((file) => file.services.map((service) => ({ file, service })));
  return lines(
    "# The API, call by call",
    "",
    "Written from `proto/` by `npm run generate`; every list pages, every write takes an idempotency key, and every refusal has one shape ([refusal](refusal.md)).",
    "",
    ...services.flatMap(({ file, service }) => [
      `## [${service.name}](${pageName(file)}#${anchor(service.name)})`,
      "",
      firstSentence(commentsOf(file).of(service)),
      "",
      "| call | capability |",
      "|---|---|",
      ...service.methods.map(
        (method) =>
          `| [${method.name}](${pageName(file)}#${anchor(method.name)}) | ${capabilities(method).map(code).join(", ") || "–"} |`,
      ),
      "",
    ]),
  );
}

function page(file: DescFile, rules: Registry): string {
  const comments = commentsOf(file);
  return lines(
    `# ${nameOf(file)}`,
    "",
    `Package \`${file.proto.package}\`, file \`proto/${file.name}.proto\`. [All calls](README.md)`,
    "",
    ...file.services.flatMap((service) => serviceText(service, comments)),
    ...file.messages.flatMap((message) => messageText(message, comments, rules)),
    ...file.enums.flatMap((declared) => enumText(declared, comments)),
  );
}

function serviceText(service: DescService, comments: Comments): string[] {
  return [
    `## ${service.name}`,
    "",
    comments.of(service),
    "",
    ...service.methods.flatMap((method) => {
      const needs = capabilities(method);
      const stream = (kind: boolean): string => (kind ? "stream of " : "");
      return [
        `### ${method.name}`,
        "",
        `${stream(["client_streaming", "bidi_streaming"].includes(method.methodKind))}${link(method.input)} → ${stream(["server_streaming", "bidi_streaming"].includes(method.methodKind))}${link(method.output)}${needs.length === 0 ? "" : ` · needs ${needs.map(code).join(" and ")}`}`,
        "",
        comments.of(method),
        "",
      ];
    }),
  ];
}

function capabilities(method: DescMethod): readonly string[] {
  return hasOption(method, operations) ? getOption(method, operations).map((part) => part.capability) : [];
}

function messageText(message: DescMessage, comments: Comments, rules: Registry): string[] {
  const fields = message.members.flatMap((member) => (member.kind === "oneof" ? member.fields : [member]));
  const choice = (field: DescField): string =>
    field.oneof === undefined
      ? ""
      : `one of \`${field.oneof.name}\`${hasOption(field.oneof, oneofRules) && getOption(field.oneof, oneofRules).required ? ", of which one is needed" : ""}`;
  return [
    `## ${message.name}`,
    "",
    comments.of(message),
    "",
    ...(fields.length === 0
      ? []
      : [
          "| field | type | what it is | limits |",
          "|---|---|---|---|",
          ...fields.map(
            (field) =>
              `| ${code(field.name)} | ${typeText(field)} | ${cell(comments.of(field))} | ${[choice(field), ruleText(field, rules)].filter((text) => text !== "").join("; ")} |`,
          ),
          "",
        ]),
    ...message.nestedMessages
      .filter((nested) => !nested.proto.options?.mapEntry)
      .flatMap((nested) => messageText(nested, comments, rules)),
    ...message.nestedEnums.flatMap((nested) => enumText(nested, comments)),
  ];
}

function enumText(declared: DescEnum, comments: Comments): string[] {
  return [
    `## ${declared.name}`,
    "",
    comments.of(declared),
    "",
    "| value | number | what it means |",
    "|---|---|---|",
    ...declared.values.map((value) => `| ${code(value.name)} | ${value.number} | ${cell(comments.of(value))} |`),
    "",
  ];
}

function typeText(field: DescField): string {
  switch (field.fieldKind) {
    case "scalar":
      return ScalarType[field.scalar].toLowerCase();
    case "enum":
      return link(field.enum);
    case "message":
      return link(field.message);
    case "list":
      return `list of ${field.listKind === "scalar" ? ScalarType[field.scalar].toLowerCase() : link(field.listKind === "enum" ? field.enum : field.message)}`;
    case "map":
      return `map to ${field.mapKind === "scalar" ? ScalarType[field.scalar].toLowerCase() : link(field.mapKind === "enum" ? field.enum : field.message)}`;
  }
}

function link(type: DescMessage | DescEnum): string {
  if (prefixOf(type.file) === undefined) return code(type.typeName);
  return `[${type.name}](${pageName(type.file)}#${anchor(type.name)})`;
}

/** Rules in words, as far as they are of the usual kinds; others as they are written. */
function ruleText(field: DescField, registry: Registry): string {
  if (!hasOption(field, fieldRules)) return "";
  const { required = false, ...kinds } = toJson(FieldRulesSchema, getOption(field, fieldRules), { registry }) as {
    readonly required?: boolean;
  } & Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  return [...(required ? ["needed"] : []), ...Object.values(kinds).map(bounds)].filter((text) => text !== "").join("; ");
}

const WORDS: Readonly<Record<string, string>> = {
  minLen: "at least",
  maxLen: "at most",
  maxBytes: "at most bytes:",
  minItems: "entries: at least",
  maxItems: "entries: at most",
  minPairs: "entries: at least",
  maxPairs: "entries: at most",
  gte: "≥",
  gt: ">",
  lte: "≤",
  lt: "<",
  pattern: "matches",
};

function bounds(rules: Readonly<Record<string, unknown>>): string {
  return Object.entries(rules)
    .map(([name, value]) => {
      if (name === "definedOnly" || name === "finite") return name === "finite" ? "finite" : "";
      if (name === "minLen") return value === "1" ? "not empty" : `at least ${String(value)} characters`;
      if (name === "maxBytes" || name === "maxLen") return `at most ${String(value)} bytes`;
      if (typeof value === "object" && value !== null) return `${name}: ${nested(value)}`;
      return `${WORDS[name] ?? name} ${code(String(value))}`;
    })
    .filter((text) => text !== "")
    .join(", ");
}

function nested(value: object): string {
  return Array.isArray(value)
    ? value.map(String).join(", ")
    : Object.values(value as Readonly<Record<string, Readonly<Record<string, unknown>>>>)
        .map(bounds)
        .join(", ");
}

function anchor(heading: string): string {
  return heading.toLowerCase();
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

function cell(text: string): string {
  return text.replaceAll("\n", " ").replaceAll("|", "\\|");
}

function firstSentence(text: string): string {
  return text.split("\n")[0] ?? "";
}

function lines(...all: readonly string[]): string {
  return `${all.join("\n").trimEnd()}\n`;
}
