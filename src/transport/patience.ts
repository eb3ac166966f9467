// How long a connection may take to say what it wants, and how many there may be. Not here: how long calls may take.
import type { ServerHttp2Session } from "node:http2";
import { refusal } from "../domain/refusal.ts";
import type { Refusal } from "../domain/refusal.ts";

/** Connections of one listener; a process has few more descriptors than that. */
export const MOST_CONNECTIONS = 10_000;
/** Until a connection has asked for something: its TLS handshake, its HTTP/1.1 head, its first HTTP/2 stream. */
export const FIRST_WORDS_MS = 10_000;
/** Until a request of one message is there in full, 4 MiB of it at most. */
export const REQUEST_MS = 60_000;
/** How often HTTP/1.1 connections are looked at. */
export const LOOK_MS = 5_000;
/** A native gRPC connection without a call is told to go after that; clients come back by themselves. */
export const IDLE_MS = 300_000;

/** Ends an HTTP/2 connection that opens no stream: half a preface, or a whole one and then silence, would be kept for ever. */
export function expectStream(session: ServerHttp2Session, withinMs = FIRST_WORDS_MS): void {
  const timer = setTimeout(() => session.destroy(), withinMs);
  timer.unref();
  const done = (): void => clearTimeout(timer);
  session.once("stream", done);
  session.once("close", done);
}

/** The body of a request that is still under way when its time is over. */
export function tooSlow(withinMs: number): Refusal {
  return refusal("INVALID_REQUEST", `The body did not come within ${withinMs / 1_000} seconds.`, {
    rule: "http.patience",
    remedy: "Send it faster.",
    retryable: true,
  });
}

/** A body in as many parts as it comes in, or what `late` says once its time is over. */
export async function* inTime(
  body: AsyncIterable<Uint8Array>,
  withinMs: number,
  late: () => Promise<Error>,
): AsyncGenerator<Uint8Array> {
  const over = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => over.resolve(undefined), withinMs);
  const parts = body[Symbol.asyncIterator]();
  /** Whether a part may still come that nobody will take. */
  let isLeft = true;
  try {
    for (;;) {
      const part = await Promise.race([parts.next(), over.promise]);
      isLeft = part?.done === false;
      if (part === undefined) throw await late();
      if (part.done === true) return;
      yield part.value;
    }
  } finally {
    clearTimeout(timer);
    if (isLeft) await parts.return?.();
  }
}
