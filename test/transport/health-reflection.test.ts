// gRPC health and reflection, on both listeners, and what readiness says while a server goes down.
import { createClient } from "@connectrpc/connect";
import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import type { ServerReflectionResponse } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as AlphaReflection } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { startServer } from "./server.ts";
import type { TestServer } from "./server.ts";

let server: TestServer;
const listeners: Readonly<Record<string, () => Transport>> = {
  "the wide port": () => createGrpcTransport({ baseUrl: server.wideUrl }),
  "the fast lane": () => createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` }),
};

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.end());

type Asked = { readonly case: "listServices" | "fileContainingSymbol" | "fileByFilename"; readonly value: string };

async function reflect(transport: Transport, ...asked: readonly Asked[]): Promise<readonly ServerReflectionResponse[]> {
  const requests = async function* () {
    for (const messageRequest of asked) yield { host: "", messageRequest };
  };
  const answers: ServerReflectionResponse[] = [];
  for await (const answer of createClient(ServerReflection, transport).serverReflectionInfo(requests()))
    answers.push(answer);
  return answers;
}

describe.each(Object.keys(listeners))("on %s", (name) => {
  const transport = (): Transport => {
    const make = listeners[name];
    if (make === undefined) throw new Error(name);
    return make();
  };

  test("health says that the server and each service are serving", async () => {
    const client = createClient(Health, transport());
    expect((await client.check({})).status).toBe(Status.SERVING);
    expect((await client.check({ service: "maestro.v1.MaestroService" })).status).toBe(Status.SERVING);
    await expect(client.check({ service: "maestro.v1.Nothing" })).rejects.toMatchObject({ code: 5 });
    expect(Object.keys((await client.list({})).statuses)).toContain("maestro.v1.PlanService");
  });

  test("a watch of health has its first answer at once", async () => {
    const gone = new AbortController();
    const [first] = await firstOf(
      createClient(Health, transport()).watch({ service: "maestro.v1.Nothing" }, { signal: gone.signal }),
      gone,
    );
    expect(first?.status).toBe(Status.SERVICE_UNKNOWN);
  });

  test("reflection lists the services and gives a symbol's file with all that it imports", async () => {
    const [services, files, missing] = await reflect(
      transport(),
      { case: "listServices", value: "" },
      { case: "fileContainingSymbol", value: "maestro.v1.MaestroService.RefineGoal" },
      { case: "fileByFilename", value: "no/such.proto" },
    );
    if (services?.messageResponse.case !== "listServicesResponse") throw new Error("no services");
    expect(services.messageResponse.value.service.map((s) => s.name)).toEqual(
      expect.arrayContaining([
        "maestro.v1.MaestroService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
      ]),
    );
    if (files?.messageResponse.case !== "fileDescriptorResponse") throw new Error("no files");
    const protos = files.messageResponse.value.fileDescriptorProto.map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
    const names = new Set(protos.map((proto) => proto.name));
    expect(names).toContain("maestro/v1/maestro_service.proto");
    for (const proto of protos) for (const dependency of proto.dependency) expect(names).toContain(dependency);
    expect(missing?.messageResponse).toMatchObject({ case: "errorResponse", value: { errorCode: 5 } });
  });

  test("reflection answers tools that ask for v1alpha", async () => {
    const requests = async function* () {
      yield { host: "", messageRequest: { case: "listServices" as const, value: "" } };
    };
    const [answer] = await all(createClient(AlphaReflection, transport()).serverReflectionInfo(requests()));
    expect(answer?.messageResponse.case).toBe("listServicesResponse");
  });
});

async function firstOf<T>(stream: AsyncIterable<T>, gone: AbortController): Promise<readonly T[]> {
  const seen: T[] = [];
  try {
    for await (const message of stream) {
      seen.push(message);
      gone.abort();
    }
  } catch {
    // The end that we asked for.
  }
  return seen;
}

async function all<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const seen: T[] = [];
  for await (const message of stream) seen.push(message);
  return seen;
}

test("a server that goes down says so to those who watch, and ends their streams", async () => {
  const going = await startServer();
  const client = createClient(Health, createGrpcTransport({ baseUrl: going.wideUrl }));
  const said: number[] = [];
  let ending: Promise<void> | undefined;
  for await (const { status } of client.watch({})) {
    said.push(status);
    ending ??= going.end();
  }
  await ending;
  expect(said).toEqual([Status.SERVING, Status.NOT_SERVING]);
});
