// gRPC reflection, v1 and v1alpha (which older tools ask for): what this server speaks, from the descriptors it was built with.
import { create, toBinary } from "@bufbuild/protobuf";
import type { DescFile, DescMessage, DescMethodBiDiStreaming, DescService, MessageInitShape } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import type {
  ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as AlphaReflection } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { SERVICES } from "../operation-table.ts";
import { bidi } from "../route.ts";
import type { Route } from "../route.ts";

const SERVED: readonly DescService[] = [...SERVICES, Health, ServerReflection, AlphaReflection];
/** gRPC's NOT_FOUND and UNIMPLEMENTED: reflection carries codes in its messages. */
const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;

interface Index {
  readonly byName: ReadonlyMap<string, DescFile>;
  readonly bySymbol: ReadonlyMap<string, DescFile>;
  /** Numbers of extensions by the type they extend, with their files. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, DescFile>>;
}

export function reflectionRoutes(): readonly Route[] {
  const index = indexOf(SERVED);
  // Both versions have the same fields under another package name.
  const route = (method: DescMethodBiDiStreaming): Route =>
    bidi(method as typeof ServerReflection.method.serverReflectionInfo, async function* (requests) {
      for await (const request of requests)
        yield create(method.output as typeof ServerReflectionResponseSchema, answer(index, request));
    });
  return [route(ServerReflection.method.serverReflectionInfo), route(AlphaReflection.method.serverReflectionInfo)];
}

type Answer = MessageInitShape<typeof ServerReflectionResponseSchema>;
type Response = NonNullable<Answer["messageResponse"]>;

function answer(index: Index, request: ServerReflectionRequest): Answer {
  return {
    validHost: request.host,
    originalRequest: request,
    messageResponse: responseTo(index, request.messageRequest),
  };
}

function responseTo(index: Index, asked: ServerReflectionRequest["messageRequest"]): Response {
  switch (asked.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: SERVED.map(({ typeName }) => ({ name: typeName })) } };
    case "fileByFilename":
      return files(index.byName.get(asked.value), asked.value);
    case "fileContainingSymbol":
      return files(index.bySymbol.get(asked.value), asked.value);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = asked.value;
      return files(
        index.extensions.get(containingType)?.get(extensionNumber),
        `extension ${extensionNumber} of ${containingType}`,
      );
    }
    case "allExtensionNumbersOfType": {
      const numbers = index.extensions.get(asked.value);
      if (numbers === undefined && !index.bySymbol.has(asked.value))
        return trouble(NOT_FOUND, `There is no ${asked.value}.`);
      return {
        case: "allExtensionNumbersResponse",
        value: { baseTypeName: asked.value, extensionNumber: [...(numbers?.keys() ?? [])] },
      };
    }
    case undefined:
      return trouble(UNIMPLEMENTED, "The request asks for nothing that is known here.");
  }
}

/** A file with all that it imports, so that one answer is enough. */
function files(file: DescFile | undefined, what: string): Response {
  if (file === undefined) return trouble(NOT_FOUND, `There is no ${what}.`);
  return {
    case: "fileDescriptorResponse",
    value: { fileDescriptorProto: [...closure([file])].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)) },
  };
}

function trouble(errorCode: number, errorMessage: string): Response {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

function closure(files: readonly DescFile[], found = new Set<DescFile>()): Set<DescFile> {
  for (const file of files) {
    if (found.has(file)) continue;
    found.add(file);
    closure(file.dependencies, found);
  }
  return found;
}

function indexOf(services: readonly DescService[]): Index {
  const byName = new Map<string, DescFile>();
  const bySymbol = new Map<string, DescFile>();
  const extensions = new Map<string, Map<number, DescFile>>();
  for (const file of closure(services.map((service) => service.file))) {
    byName.set(file.proto.name, file);
    for (const type of nestedTypes(file)) {
      bySymbol.set(type.typeName, file);
      if (type.kind === "service")
        for (const method of type.methods) bySymbol.set(`${type.typeName}.${method.name}`, file);
      if (type.kind === "message")
        for (const member of type.fields) bySymbol.set(`${type.typeName}.${member.name}`, file);
      if (type.kind === "extension") extensionsOf(extensions, type.extendee).set(type.number, file);
    }
  }
  return { byName, bySymbol, extensions };
}

function extensionsOf(extensions: Map<string, Map<number, DescFile>>, extendee: DescMessage): Map<number, DescFile> {
  const known = extensions.get(extendee.typeName) ?? new Map<number, DescFile>();
  extensions.set(extendee.typeName, known);
  return known;
}
