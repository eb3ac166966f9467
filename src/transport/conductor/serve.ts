// The REST surface: each request is translated into the message of its rpc, goes through that rpc's own route, and is answered in
// REST's words. Not here: which endpoints there are, see endpoints.ts; pages for people, see docs.ts.
import type { DescMethod, Message } from "@bufbuild/protobuf";
import { RefusedError } from "../../domain/refusal.ts";
import type { Decision, Refusal } from "../../domain/refusal.ts";
import { callInfo } from "../call-info.ts";
import type { CallInfo, Route } from "../route.ts";
import type { TurnAway } from "../turn-away.ts";
import { readJson, refusalOf } from "./body.ts";
import type { Incoming, Unreadable } from "./body.ts";
import { internalReply, jsonReply, plainReply, refusalReply } from "./codes.ts";
import type { Reply } from "./codes.ts";
import { docsReply } from "./docs.ts";
import type { Endpoint, Verb } from "./endpoints.ts";
import { exportArchive } from "./export.ts";
import { makeLookable } from "./ids.ts";
import { listReply } from "./lists.ts";
import { readQuery } from "./query.ts";
import { failObject, readMessage } from "./read.ts";
import type { FieldError } from "./read.ts";
import { find } from "./router.ts";
import { send, sendParts } from "./send.ts";
import type { Outgoing } from "./send.ts";
import { alsoBroken } from "./violations.ts";
import type { Asked } from "./violations.ts";
import { written } from "./write.ts";

export interface ConductorOptions {
  readonly routes: readonly Route[];
  readonly turnAway: TurnAway;
  readonly onBug: (where: string, error: unknown) => void;
}

export type ServeRest = (request: Incoming, response: Outgoing) => void;

/** One request on its way. */
interface Call {
  readonly endpoint: Endpoint;
  readonly id: string | undefined;
  readonly path: string;
  readonly query: string;
  readonly request: Incoming;
  readonly response: Outgoing;
  readonly info: CallInfo;
  readonly bare: boolean;
}

export function createConductor({ routes, turnAway, onBug }: ConductorOptions): ServeRest {
  const byMethod = new Map<DescMethod, Route>(routes.map((route) => [route.method, route]));

  const ask = async ({ endpoint, info }: Call, message: Message): Promise<Decision<Message>> => {
    const route = byMethod.get(endpoint.method);
    if (route?.kind !== "unary") throw new Error(`${endpoint.method.name} is not served`);
    return await route.handle(message, info);
  };

  /** What could not be read: who sent it is looked up, and it is counted, as on every surface. */
  const refuse = async (call: Call, asked: Asked, why: Unreadable): Promise<Reply> => {
    const refusal = await turnAway(call.endpoint.method, call.info, why.refusal);
    return refusalReply(refusal, asked, sameAs(refusal, why.refusal) ? why : {});
  };

  const answer = async (call: Call): Promise<Reply | undefined> => {
    const { endpoint } = call;
    switch (endpoint.kind) {
      case "create":
      case "change":
      case "act":
        return await answerBody(call);
      case "get":
      case "list":
      case "export":
        return await answerQuery(call);
    }
  };

  const answerBody = async (call: Call): Promise<Reply> => {
    const { endpoint, id, request } = call;
    const body = await readJson(request, endpoint.kind === "act");
    if (!body.ok) return await refuse(call, { within: "body", given: {} }, body.why);
    const errors: FieldError[] = [];
    const known = id === undefined ? {} : { id };
    const given = isObject(body.value) ? { ...body.value, ...known } : failObject(errors, ["body"], body.value);
    const asked: Asked = { within: "body", given: given ?? {} };
    const message = readMessage(endpoint.method.input, given ?? {}, ["body"], given === undefined ? [] : errors);
    makeLookable(endpoint.method.input, message);
    if (errors.length > 0) {
      const all = given === undefined ? errors : alsoBroken(endpoint.method.input, message, errors, asked);
      return await refuse(call, asked, { refusal: refusalOf(all), errors: all });
    }
    const decision = await ask(call, message);
    if (!decision.ok) return refusalReply(decision.refusal, asked);
    const told = said(endpoint, decision.value);
    if (endpoint.kind !== "create") return jsonReply(200, told);
    return jsonReply(201, told, { location: `${endpoint.path}/${encodeURIComponent(String(told["id"]))}` });
  };

  const answerQuery = async (call: Call): Promise<Reply | undefined> => {
    const { endpoint, id, path, response, bare } = call;
    const query = readQuery(endpoint, call.query, id);
    const asked: Asked = { within: "query", given: query.given };
    if (query.errors.length > 0)
      return await refuse(call, asked, { refusal: refusalOf(query.errors), errors: query.errors });
    if (endpoint.kind === "export") {
      const route = byMethod.get(endpoint.method);
      if (route?.kind !== "server") throw new Error(`${endpoint.method.name} is not served`);
      return await exportArchive(route.handle(query.message, call.info), asked, response, bare);
    }
    if (endpoint.kind === "get") {
      const decision = await ask(call, query.message);
      return decision.ok ? jsonReply(200, said(endpoint, decision.value)) : refusalReply(decision.refusal, asked);
    }
    if (query.nothing) return await nothing(call, asked);
    const list = await listReply(endpoint, query, path, (message) => ask(call, message));
    if (!list.ok) return isUnknownRun(list.refusal) ? jsonReply(200, []) : refusalReply(list.refusal, asked);
    if (list.value.kind === "whole") return list.value.reply;
    await sendParts(response, list.value.headers, list.value.parts, bare);
    return undefined;
  };

  /** Those of an empty name: none, for whoever may ask at all. */
  const nothing = async (call: Call, asked: Asked): Promise<Reply> => {
    const refusal = refusalOf([{ loc: ["query", "run_id"], msg: "is empty", type: "value_error" }]);
    const judged = await turnAway(call.endpoint.method, call.info, refusal);
    return sameAs(judged, refusal) ? jsonReply(200, []) : refusalReply(judged, asked);
  };

  return (request, response) => {
    const [path = "", query = ""] = split(request.url ?? "");
    const method = request.method ?? "";
    const found = find(path);
    const bare = method === "HEAD";
    if (!path.startsWith("/maestro/")) {
      request.on("error", () => undefined).resume();
      page(path, method)
        .then((reply) => send(response, reply, bare))
        .catch((error: unknown) => {
          onBug(path, error);
          send(response, internalReply(), bare);
        });
      return;
    }
    const endpoint = found?.endpoints.get((bare ? "GET" : method) as Verb);
    if (found === undefined || endpoint === undefined) {
      request.on("error", () => undefined).resume();
      send(response, elsewhere(method, found?.allow), bare);
      return;
    }
    const call = { endpoint, id: found.id, path, query, request, response, info: infoOf(request, response), bare };
    answer(call)
      .then((reply) => {
        if (reply !== undefined) send(response, reply, bare);
      })
      .catch((error: unknown) => {
        if (!(error instanceof RefusedError)) onBug(endpoint.method.name, error);
        if (response.headersSent) response.destroy();
        else send(response, internalReply(), bare);
      });
  };
}

const PAGE_METHODS = "GET, HEAD, OPTIONS";

async function page(path: string, method: string): Promise<Reply> {
  const reply = await docsReply(path);
  return reply === undefined || method === "GET" || method === "HEAD"
    ? (reply ?? elsewhere(method, undefined))
    : elsewhere(method, PAGE_METHODS);
}

function elsewhere(method: string, allow: string | undefined): Reply {
  if (allow === undefined) return plainReply(404, "Not Found");
  if (method === "OPTIONS") return { status: 204, headers: { allow }, body: "" };
  return plainReply(405, "Method Not Allowed", { allow });
}

/** What is told of an answer: one field of it, or all of it. */
function said({ method: { output }, answer }: Endpoint, message: Message): Record<string, unknown> {
  if (answer === "") return written(output, message);
  const field = output.fields.find(({ name }) => name === answer);
  if (field?.fieldKind !== "message") throw new Error(`${output.name} has no message ${answer}`);
  const value = (message as unknown as Readonly<Record<string, Message | undefined>>)[field.localName];
  if (value === undefined) throw new Error(`${output.name} is without its ${answer}`);
  return written(field.message, value);
}

/** A filter by a run that is not there: it has nothing. */
function isUnknownRun({ reason, metadata }: Refusal): boolean {
  return reason === "NOT_FOUND" && metadata["kind"] === "run";
}

function sameAs(a: Refusal, b: Refusal): boolean {
  return a.reason === b.reason && a.rule === b.rule;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function split(url: string): readonly [string, string] {
  const mark = url.indexOf("?");
  return mark < 0 ? [url, ""] : [url.slice(0, mark), url.slice(mark + 1)];
}

/** Why work for a call stops when its caller has gone. Made once: an error each time would cost more than the rest of the signal. */
const OVER = new Error("the call is over");

function infoOf(request: Incoming, response: Outgoing): CallInfo {
  const gone = new AbortController();
  response.on("close", () => {
    if (!response.writableEnded) gone.abort(OVER);
  });
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return typeof value === "string" ? value : value?.[0];
  };
  return callInfo(header, request.socket.remoteAddress ?? "", gone.signal);
}
