// What connect-node refuses before a route hears of it, a message that is too large or cannot be read, said as a refusal like
// any other. It has no place to say so itself: its answer is looked through, and only answers that are errors cost anything.
import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  endStreamFlag,
  endStreamFromJson,
  endStreamToJson,
  errorFromJsonBytes,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { findTrailerError, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerParse, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { invalid } from "../domain/refusal.ts";
import type { Refusal } from "../domain/refusal.ts";
import { answerTooLarge, tooLarge } from "./limits.ts";
import { INTERNAL_TEXT } from "./refusals.ts";

/** Longest part of a parser's words that is passed on. */
const WORDS = 400;
/**
 * What connect-node calls internal, or unimplemented, although the sender alone can mend it. Its `internal error` is what a query
 * that is no base64 comes to; bugs of ours have words of their own.
 */
const GARBAGE = /^(parse binary|decompression failed|received compressed envelope|protocol error: |internal error$)/;
/** Flags, and the length of what follows. */
const ENVELOPE_HEAD = 5;

/** The refusal that an error of connect-node stands for; undefined when it has one already, or is none. */
export function unreadable(error: ConnectError, method: DescMethod): Refusal | undefined {
  const { code, details, rawMessage } = error;
  if (details.length > 0 || rawMessage === INTERNAL_TEXT) return undefined;
  if (code === Code.ResourceExhausted && rawMessage.includes("readMaxBytes")) {
    const size = /^message size (\d+) /.exec(rawMessage)?.[1];
    return tooLarge(size === undefined ? null : Number(size));
  }
  const answered = /^message size (\d+) is larger than configured writeMaxBytes/.exec(rawMessage)?.[1];
  if (answered !== undefined) return answerTooLarge(Number(answered));
  if (code !== Code.InvalidArgument && !GARBAGE.test(rawMessage)) return undefined;
  return invalid({
    field: placeOf(rawMessage, method.input),
    description: `is not a readable message: ${rawMessage.slice(0, WORDS)}`,
    rule: "wire.format",
  }).refusal;
}

/** `cannot decode field maestro.v1.Retry.max_attempts from JSON: …` says which field, `cannot decode message …` only what it is of. */
function placeOf(words: string, input: DescMessage): string {
  const [, what, name] = /(field|message) ([\w.]+) from JSON/.exec(words) ?? [];
  if (name === undefined || name === input.typeName) return input.name;
  const parts = name.split(".");
  const top = what === "field" && parts.slice(0, -1).join(".") === input.typeName;
  return parts.slice(what === "message" || top ? -1 : -2).join(".");
}

/** Gives the error that is to stand in place of connect-node's own; none for one that is a refusal already. */
export type Refuse = (error: ConnectError) => Promise<ConnectError | undefined>;

/** Looks through an answer. */
export async function mended(response: UniversalServerResponse, refuse: Refuse): Promise<UniversalServerResponse> {
  const { body, header, trailer } = response;
  const type = header?.get("content-type") ?? "";
  if (body === undefined || header === undefined) return response;
  if (type.startsWith("application/grpc-web")) {
    return { ...response, body: lastFrame(body, trailerFlag, (frame) => mendTrailers(trailerParse(frame), refuse)) };
  }
  if (type.startsWith("application/grpc")) {
    if (trailer === undefined) return response;
    return { ...response, body: andThen(body, () => mendStatus(trailer, refuse)) };
  }
  if (type.startsWith("application/connect+")) {
    return { ...response, body: lastFrame(body, endStreamFlag, (frame) => mendEnd(frame, refuse)) };
  }
  // Only a long error is packed, and connect-node's own are short.
  if (response.status === 200 || type !== "application/json" || header.has("content-encoding")) return response;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const error = await refuse(errorFromJsonBytes(bytes, undefined, new ConnectError("", Code.Unknown)));
  if (error === undefined) return { ...response, body: one(bytes) };
  const said = errorToJsonBytes(error, undefined);
  header.set("content-length", String(said.length));
  return { ...response, status: codeToHttpStatus(error.code), body: one(said) };
}

async function mendStatus(trailer: Headers, refuse: Refuse): Promise<boolean> {
  const found = findTrailerError(trailer);
  const error = found === undefined ? undefined : await refuse(found);
  if (error !== undefined) setTrailerStatus(trailer, error);
  return error !== undefined;
}

async function mendTrailers(trailer: Headers, refuse: Refuse): Promise<Uint8Array | undefined> {
  return (await mendStatus(trailer, refuse)) ? trailerSerialize(trailer) : undefined;
}

async function mendEnd(frame: Uint8Array, refuse: Refuse): Promise<Uint8Array | undefined> {
  const { metadata, error: found } = endStreamFromJson(frame);
  const error = found === undefined ? undefined : await refuse(found);
  return error === undefined ? undefined : Buffer.from(JSON.stringify(endStreamToJson(metadata, error, undefined)));
}

/** The body with its last frame, the one that carries the flag, put in other words if there are any. connect-node gives one frame a chunk. */
async function* lastFrame(
  body: AsyncIterable<Uint8Array>,
  flag: number,
  other: (frame: Uint8Array) => Promise<Uint8Array | undefined>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    const words = chunk[0] === flag ? await other(chunk.subarray(ENVELOPE_HEAD)) : undefined;
    yield words === undefined ? chunk : encodeEnvelope(flag, words);
  }
}

async function* andThen(body: AsyncIterable<Uint8Array>, then: () => Promise<unknown>): AsyncGenerator<Uint8Array> {
  yield* body;
  await then();
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
