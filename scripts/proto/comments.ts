// Comments of a proto file by what they stand above. Not here: what is made of them.
import type { DescEnum, DescEnumValue, DescField, DescFile, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";

type Commented = DescMessage | DescField | DescEnum | DescEnumValue | DescService | DescMethod;

export interface Comments {
  /** The leading comment, without the indentation that comments have. */
  of(declared: Commented): string;
}

// Numbers of fields in descriptor.proto.
const FILE = { message: 4, enum: 5, service: 6 };
const MESSAGE = { field: 2, nested: 3, enum: 4 };
const SECOND = 2;

export function commentsOf(file: DescFile): Comments {
  const found = new Map(
    (file.proto.sourceCodeInfo?.location ?? []).map(({ path, leadingComments }) => [path.join("."), leadingComments]),
  );
  return {
    of: (declared) =>
      (found.get(pathOf(declared).join(".")) ?? "")
        .split("\n")
        .map((line) => line.replace(/^ /, ""))
        .join("\n")
        .trim(),
  };
}

function pathOf(declared: Commented): readonly number[] {
  switch (declared.kind) {
    case "service":
      return [FILE.service, declared.file.services.indexOf(declared)];
    case "rpc":
      return [...pathOf(declared.parent), SECOND, declared.parent.methods.indexOf(declared)];
    case "field":
      return [...pathOf(declared.parent), MESSAGE.field, declared.parent.fields.indexOf(declared)];
    case "enum_value":
      return [...pathOf(declared.parent), SECOND, declared.parent.values.indexOf(declared)];
    case "enum":
      return declared.parent === undefined
        ? [FILE.enum, declared.file.enums.indexOf(declared)]
        : [...pathOf(declared.parent), MESSAGE.enum, declared.parent.nestedEnums.indexOf(declared)];
    case "message":
      return declared.parent === undefined
        ? [FILE.message, declared.file.messages.indexOf(declared)]
        : [...pathOf(declared.parent), MESSAGE.nested, declared.parent.proto.nestedType.indexOf(declared.proto)];
  }
}
