// The OpenAPI document against the server: its schemas are sound, every operation of it is called with its own example, and what comes
// back is what it says. Not here: pages over it, see docs.test.ts.
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { ENDPOINTS } from "../../../src/transport/conductor/endpoints.ts";
import { isoTime, systemClock } from "../../../src/support/clock.ts";
import { openApiDocument } from "../../../src/transport/conductor/openapi.ts";
import { startServer } from "../server.ts";
import type { TestServer } from "../server.ts";
import { clientOf } from "./client.ts";
import type { Answer, Ask } from "./client.ts";

const DAY_MS = 86_400_000;

interface Content {
  readonly schema: object;
  readonly example?: Readonly<Record<string, unknown>>;
}
interface Operation {
  readonly operationId: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Content>> };
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, Content>> }>>;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

const document = openApiDocument("1.0.0") as unknown as Document;
const operations = Object.entries(document.paths).flatMap(([path, verbs]) =>
  Object.entries(verbs).map(([verb, operation]) => ({ path, verb: verb.toUpperCase(), operation })),
);

const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema({ $id: "doc", components: document.components });

function validator(schema: object): ValidateFunction {
  return ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"doc#/')) as object);
}

function expectAsSaid(operation: Operation, { status, json, text }: Answer): void {
  const said = operation.responses[String(status)];
  expect(said, `${operation.operationId} answers ${status}, which is not documented: ${text}`).toBeDefined();
  const check = validator(said?.content["application/json"]?.schema ?? {});
  expect([check(json), check.errors], `${operation.operationId} ${status}: ${text.slice(0, 500)}`).toEqual([
    true,
    null,
  ]);
}

describe("the document", () => {
  test("has every endpoint once, each rpc of the service, and a sentence for everything", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(operations).toHaveLength(ENDPOINTS.length);
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids.toSorted()).toEqual(ConductorService.methods.map(({ localName }) => localName).sort());
    for (const { operation } of operations) expect(operation.description, operation.operationId).not.toBe("");
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      const { properties = {} } = schema as { properties?: Readonly<Record<string, { description?: string }>> };
      if (name === "HTTPError" || name === "HTTPValidationError") continue;
      for (const [property, { description }] of Object.entries(properties))
        if (!["violations", "retryable", "reason"].includes(property))
          expect(description, `${name}.${property}`).toBeTruthy();
    }
  });

  test("has schemas that are sound, refers to what is there, and to all of it", () => {
    const text = JSON.stringify(document);
    const named = new Set([...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name ?? ""));
    expect([...named].sort()).toEqual(Object.keys(document.components.schemas).sort());
    for (const name of named) validator({ $ref: `#/components/schemas/${name}` });
    for (const { operation } of operations)
      for (const { schema } of operation.parameters) expect(ajv.validateSchema(schema)).toBe(true);
  });

  test("has examples that keep its own rules", () => {
    for (const { operation } of operations) {
      const content = operation.requestBody?.content["application/json"];
      if (content === undefined) continue;
      const check = validator(content.schema);
      expect([check(content.example), check.errors], operation.operationId).toEqual([true, null]);
    }
  });
});

describe("every operation", () => {
  let server: TestServer;
  let ask: Ask;
  beforeAll(async () => {
    server = await startServer();
    ask = clientOf(server.widePort);
  });
  afterAll(() => server.end());

  test("answers its example as the document says", async () => {
    const ids: Record<string, string> = {};
    // What is made comes first, in the order of what needs what.
    const order = ["createRun", "createArtifact", "createDisclosurePack", "createWorkflow", "grantWaiver"];
    const rank = (id: string): number => (order.includes(id) ? order.indexOf(id) : order.length);
    for (const { path, verb, operation } of operations.toSorted(
      (a, b) => rank(a.operation.operationId) - rank(b.operation.operationId),
    )) {
      const [collection = ""] = path.split("/").slice(2);
      const example = operation.requestBody?.content["application/json"]?.example;
      const body =
        example === undefined
          ? undefined
          : {
              ...example,
              ...("run_id" in example ? { run_id: ids["runs"] } : {}),
              ...("expires_at" in example ? { expires_at: isoTime(systemClock.nowMs() + DAY_MS) } : {}),
              ...("artifact_ids" in example ? { artifact_ids: [ids["artifacts"]] } : {}),
            };
      // Whoever makes a run cannot waive its rules: that there is no waiver is an answer, too.
      const id = ids[collection] ?? "waiver_01jx0000000000000000000000";
      const answer = await ask(verb, path.replace("{id}", id), body);
      if (operation.operationId === "exportDisclosurePack") {
        expect(answer).toMatchObject({
          status: 200,
          headers: {
            "content-type": "application/gzip",
            "content-disposition": expect.stringMatching(/^attachment; filename="[\w.-]+\.tar\.gz"$/) as string,
          },
        });
        continue;
      }
      expectAsSaid(operation, answer);
      const waiver = collection === "waivers" && verb === "POST";
      expect(answer.status, `${operation.operationId}: ${answer.text}`).toBe(
        waiver
          ? order.includes(operation.operationId)
            ? 403
            : 404
          : order.includes(operation.operationId)
            ? 201
            : 200,
      );
      if (answer.status === 201) ids[collection] = (answer.json as { readonly id: string }).id;
    }
  });

  test("says what is wrong as the document says", async () => {
    for (const { path, verb, operation } of operations) {
      const unknown = path.replace("{id}", "nothing");
      const bad = await ask(verb, `${unknown}?limit=x`, verb === "GET" ? undefined : "[");
      if (bad.status !== 200) expectAsSaid(operation, bad);
      if (operation.requestBody !== undefined) {
        const wrong = await ask(verb, unknown, { name: 5, tasks: [{}], run_id: 5 });
        expect(wrong.status, operation.operationId).toBe(422);
        expectAsSaid(operation, wrong);
      }
      if (!path.includes("{id}")) continue;
      const absent = await ask(verb, unknown, operation.requestBody === undefined ? undefined : {});
      expect(absent.status, operation.operationId).toBe(404);
      expectAsSaid(operation, absent);
    }
  });
});
