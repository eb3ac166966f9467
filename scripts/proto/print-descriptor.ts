// Prints a proto2 or proto3 file descriptor as .proto source, as far as an import of it needs: names, numbers, types,
// labels, ranges and extensions. Comments and custom options are left out; this is no general formatter.
import type { DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { FieldDescriptorProto_Label as Label, FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";

/** The exclusive end of a range that reaches to `max`. */
const MAX_FIELD_END = 536_870_912;

const SCALARS: ReadonlyMap<Type, string> = new Map([
  [Type.DOUBLE, "double"],
  [Type.FLOAT, "float"],
  [Type.INT64, "int64"],
  [Type.UINT64, "uint64"],
  [Type.INT32, "int32"],
  [Type.FIXED64, "fixed64"],
  [Type.FIXED32, "fixed32"],
  [Type.BOOL, "bool"],
  [Type.STRING, "string"],
  [Type.BYTES, "bytes"],
  [Type.UINT32, "uint32"],
  [Type.SFIXED32, "sfixed32"],
  [Type.SFIXED64, "sfixed64"],
  [Type.SINT32, "sint32"],
  [Type.SINT64, "sint64"],
]);

/** Source text of the file. Throws when the file uses what this printer does not know: groups, maps or editions. */
export function printFileDescriptor(file: FileDescriptorProto): string {
  const syntax = file.syntax === "" ? "proto2" : file.syntax;
  if (syntax !== "proto2" && syntax !== "proto3") {
    throw new Error(`${file.name} has syntax ${syntax}, which cannot be printed`);
  }
  const explicit = syntax === "proto2";
  return [
    `syntax = "${syntax}";`,
    `package ${file.package};`,
    ...file.dependency.map((path) => `import "${path}";`),
    ...file.messageType.flatMap((message) => printMessage(message, explicit)),
    ...file.enumType.flatMap(printEnum),
    ...file.extension.flatMap((field) => [`extend ${field.extendee} {`, `  ${printField(field, explicit)}`, "}"]),
    "",
  ].join("\n");
}

function printMessage(message: DescriptorProto, explicit: boolean): string[] {
  if (message.options?.mapEntry === true) throw new Error(`${message.name} is a map entry, which cannot be printed`);
  const isMember = (field: FieldDescriptorProto): boolean => hasOneof(field) && !field.proto3Optional;
  const body = [
    ...message.field.filter((field) => !isMember(field)).map((field) => printField(field, explicit)),
    ...message.oneofDecl.flatMap((oneof, index) => {
      const members = message.field.filter((field) => isMember(field) && field.oneofIndex === index);
      if (members.length === 0) return [];
      return [`oneof ${oneof.name} {`, ...members.map((field) => `  ${printField(field, false)}`), "}"];
    }),
    ...message.nestedType.flatMap((nested) => printMessage(nested, explicit)),
    ...message.enumType.flatMap(printEnum),
    ...message.extensionRange.map((range) => `extensions ${printRange(range.start, range.end)};`),
    ...message.reservedRange.map((range) => `reserved ${printRange(range.start, range.end)};`),
    ...message.reservedName.map((name) => `reserved "${name}";`),
  ];
  return [`message ${message.name} {`, ...body.map((line) => `  ${line}`), "}"];
}

function printEnum(declared: EnumDescriptorProto): string[] {
  const body = [
    ...declared.value.map((value) => `${value.name} = ${value.number};`),
    // The end of an enum's range is inclusive, unlike that of a message's.
    ...declared.reservedRange.map((range) => `reserved ${range.start} to ${range.end};`),
    ...declared.reservedName.map((name) => `reserved "${name}";`),
  ];
  return [`enum ${declared.name} {`, ...body.map((line) => `  ${line}`), "}"];
}

function printField(field: FieldDescriptorProto, explicit: boolean): string {
  const type = SCALARS.get(field.type) ?? field.typeName;
  if (type === "" || field.type === Type.GROUP) throw new Error(`the type of ${field.name} cannot be printed`);
  return `${printLabel(field, explicit)}${type} ${field.name} = ${field.number};`;
}

function printLabel(field: FieldDescriptorProto, explicit: boolean): string {
  if (field.label === Label.REPEATED) return "repeated ";
  if (field.label === Label.REQUIRED) return "required ";
  return explicit || field.proto3Optional ? "optional " : "";
}

function printRange(start: number, end: number): string {
  return end === MAX_FIELD_END ? `${start} to max` : `${start} to ${end - 1}`;
}

/** A field without a oneof has index 0 by default, so presence has to be asked for. */
function hasOneof(field: FieldDescriptorProto): boolean {
  return Object.hasOwn(field, "oneofIndex");
}
