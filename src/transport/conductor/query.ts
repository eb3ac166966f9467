// Queries: filters of lists, how many, and where to go on. A parameter that nobody knows is passed over, of one that is there twice the
// last counts. Not here: bodies, see body.ts.
import type { Message } from "@bufbuild/protobuf";
import { LIST_LIMIT, queryFields } from "./endpoints.ts";
import type { Endpoint } from "./endpoints.ts";
import { makeLookable } from "./ids.ts";
import { echo, readInteger, readMessage } from "./read.ts";
import type { FieldError } from "./read.ts";

export interface Query {
  readonly message: Message;
  /** As it was given, for errors. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly limit: number;
  readonly pageToken: string;
  /** Asks for those of an empty name, which nothing has. */
  readonly nothing: boolean;
  readonly errors: readonly FieldError[];
}

export function readQuery(endpoint: Endpoint, query: string, id: string | undefined): Query {
  const known = id === undefined ? {} : { id };
  const errors: FieldError[] = [];
  const { input } = endpoint.method;
  if (query === "") {
    const message = readMessage(input, {}, ["query"], errors, known);
    makeLookable(input, message);
    return { message, given: known, limit: LIST_LIMIT, pageToken: "", nothing: false, errors };
  }
  const parameters = new Map(new URLSearchParams(query));
  const given: Record<string, string> = {};
  let nothing = false;
  for (const { name } of queryFields(endpoint)) {
    const value = parameters.get(name);
    if (value !== undefined) given[name] = value;
    nothing ||= value === "" && endpoint.kind === "list";
  }
  const message = readMessage(input, given, ["query"], errors, known);
  makeLookable(input, message);
  const limit = readLimit(parameters.get("limit"), errors);
  const pageToken = parameters.get("page_token") ?? "";
  return { message, given: { ...given, ...known, page_token: pageToken }, limit, pageToken, nothing, errors };
}

function readLimit(text: string | undefined, errors: FieldError[]): number {
  if (text === undefined) return LIST_LIMIT;
  const loc = ["query", "limit"];
  const limit = readInteger(text, loc, errors) ?? LIST_LIMIT;
  if (limit < 1) {
    const msg = "Input should be greater than or equal to 1";
    errors.push({ loc, msg, type: "greater_than_equal", ...echo(text), ctx: { ge: 1 } });
  } else if (limit > LIST_LIMIT) {
    const msg = `Input should be less than or equal to ${LIST_LIMIT}`;
    errors.push({ loc, msg, type: "less_than_equal", ...echo(text), ctx: { le: LIST_LIMIT } });
  }
  return limit;
}
