// The OpenAPI 3.1 document: the table of endpoints, with the contract's messages, rules and comments. Nothing of it is said twice.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { STATUS } from "./codes.ts";
import { contractComments } from "./comments.ts";
import type { Comments } from "./comments.ts";
import { ENDPOINTS, LIST_LIMIT, bodyFields, nounOf, queryFields } from "./endpoints.ts";
import type { Endpoint } from "./endpoints.ts";
import { ERROR_SCHEMAS } from "./error-schemas.ts";
import { EXAMPLES } from "./examples.ts";
import { createSchemas } from "./schemas.ts";
import type { Schema, Schemas } from "./schemas.ts";

/** What any call may meet. */
const ALWAYS = ["UNAUTHENTICATED", "OVERLOADED", "UNAVAILABLE"];
const MEANINGS: Readonly<Record<number, string>> = {
  400: "An artifact in the body is another run's.",
  401: "No credential, or one that opens nothing.",
  403: "The caller may not.",
  404: "There is nothing with that id.",
  409: "The state of things forbids it.",
  413: "The body is larger than 4 MiB.",
  415: "The body is not JSON.",
  422: "The request is malformed: every place that is wrong.",
  429: "Too much is asked at once; Retry-After says when to come again.",
  500: "A bug; the server's log says which.",
  503: "The server or its store is away; Retry-After says when to come again.",
};

export function openApiDocument(version: string): Schema {
  const comments = contractComments();
  const schemas = createSchemas(comments);
  const paths: Record<string, Record<string, Schema>> = {};
  for (const endpoint of ENDPOINTS)
    (paths[endpoint.path] ??= {})[endpoint.verb.toLowerCase()] = operation(endpoint, comments, schemas);
  return {
    openapi: "3.1.0",
    info: {
      title: "Maestro Conductor",
      version,
      description:
        "Runs, what they made, what is told of them, and whether they may be released. The same is to be had as the rpcs of maestro.conductor.v1.ConductorService, with the same records and the same refusals. Members of a body that are not named here are passed over; null is as good as absent where a member may be left out; times without a zone are UTC. Ids of any shape are looked up: one that nobody has is 404, never 422. Lists are plain arrays, newest first; a Link header leads on where there is more, and a filter by nothing finds nothing.",
    },
    servers: [{ url: "/" }],
    tags: [...new Set(ENDPOINTS.map(({ tag }) => tag))].map((name) => ({ name })),
    security: [{}, { key: [] }],
    paths,
    components: {
      schemas: { ...schemas.components, ...ERROR_SCHEMAS },
      securitySchemes: {
        key: {
          type: "http",
          scheme: "bearer",
          description: "An API key; not needed from this machine unless the server demands it.",
        },
      },
    },
  };
}

function operation(endpoint: Endpoint, comments: Comments, schemas: Schemas): Schema {
  const { method, tag, kind } = endpoint;
  const comment = comments.of(method);
  const takesBody = kind === "create" || kind === "change";
  const example = EXAMPLES[method.name];
  return {
    tags: [tag],
    operationId: method.localName,
    summary: method.name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " "),
    description: comment.replaceAll(/\s*Refusals: [^\n]*/g, ""),
    parameters: parameters(endpoint, comments, schemas),
    ...(takesBody
      ? {
          requestBody: {
            required: true,
            content: {
              "application/json": {
                schema: schemas.body(method.input, bodyFields(endpoint)),
                ...(example === undefined ? {} : { example }),
              },
            },
          },
        }
      : {}),
    responses: { ...success(endpoint, schemas), ...failures(comment, takesBody || kind === "act") },
  };
}

function parameters(endpoint: Endpoint, comments: Comments, schemas: Schemas): readonly Schema[] {
  const { path, kind, verb } = endpoint;
  const query = verb === "GET" ? queryFields(endpoint) : [];
  return [
    ...(path.includes("{id}")
      ? [
          {
            name: "id",
            in: "path",
            required: true,
            description: `Id of the ${nounOf(endpoint)}.`,
            schema: { type: "string" },
          },
        ]
      : []),
    ...query.map((field) => ({
      name: field.name,
      in: "query",
      description: comments.of(field),
      schema: schemas.parameter(field),
    })),
    ...(kind === "list" ? paging() : []),
    ...(verb === "GET"
      ? []
      : [
          {
            name: "Idempotency-Key",
            in: "header",
            description: "Makes a repeat safe.",
            schema: { type: "string", maxLength: 128 },
          },
        ]),
  ];
}

function paging(): readonly Schema[] {
  return [
    {
      name: "limit",
      in: "query",
      description: "Most entries.",
      schema: { type: "integer", minimum: 1, maximum: LIST_LIMIT, default: LIST_LIMIT },
    },
    {
      name: "page_token",
      in: "query",
      description: "Where to go on; the Link header of the answer before has it.",
      schema: { type: "string", maxLength: 1024 },
    },
  ];
}

function success(endpoint: Endpoint, schemas: Schemas): Schema {
  const { kind, method } = endpoint;
  if (kind === "export") {
    const binary = { "application/gzip": { schema: { type: "string", contentMediaType: "application/gzip" } } };
    return { 200: { description: "The archive, signed.", content: binary } };
  }
  const schema = answerSchema(endpoint, schemas);
  const content = { "application/json": { schema } };
  if (kind === "create") {
    const headers = { Location: { description: "Its address.", schema: { type: "string" } } };
    return { 201: { description: "It was made.", headers, content } };
  }
  const description = kind === "list" ? "Newest first." : firstSentence(method.output);
  if (kind !== "list") return { 200: { description, content } };
  const headers = {
    Link: { description: 'The next page, `rel="next"`, when there is one.', schema: { type: "string" } },
  };
  return { 200: { description, headers, content } };
}

function firstSentence({ name }: DescMessage): string {
  return name.startsWith("Update") || name.startsWith("Revoke") ? "As it is now." : "As it is.";
}

function answerSchema({ method: { output, name }, answer }: Endpoint, schemas: Schemas): Schema {
  if (answer === "") return schemas.answer(output);
  const field: DescField | undefined = output.fields.find((one) => one.name === answer);
  if (field?.fieldKind === "message") return schemas.answer(field.message);
  if (field?.fieldKind === "list" && field.listKind === "message")
    return { type: "array", items: schemas.answer(field.message) };
  throw new Error(`${name} has no answer ${answer}`);
}

/** The refusals that the comment of the rpc names, by their status. */
function failures(comment: string, takesBody: boolean): Schema {
  const named = /Refusals: ([^\n]*)/.exec(comment)?.[1]?.match(/\b[A-Z]+(?:_[A-Z]+)+\b|\bCYCLE\b/g) ?? [];
  const reasons = [...named, ...ALWAYS].filter((reason) => Object.hasOwn(STATUS, reason));
  const statuses = new Set(reasons.map((reason) => STATUS[reason as keyof typeof STATUS]));
  statuses.add(500);
  if (takesBody) for (const status of [413, 415]) statuses.add(status);
  return Object.fromEntries(
    [...statuses]
      .sort((a, b) => a - b)
      .map((status) => {
        const schema = { $ref: `#/components/schemas/${status === 422 ? "HTTPValidationError" : "HTTPError"}` };
        return [status, { description: MEANINGS[status] ?? "", content: { "application/json": { schema } } }];
      }),
  );
}
