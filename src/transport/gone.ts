// Whether anybody is left to read an answer. Not here: what stops because of it.
import type { ServerResponse } from "node:http";

/** Of HTTP/2 the stream says so: its response has no `destroyed`, and takes what is written after its end without a word. */
export function isGone(response: ServerResponse): boolean {
  const { stream } = response as {
    readonly stream?: { readonly destroyed: boolean; readonly closed: boolean };
  };
  return stream === undefined ? response.destroyed : stream.destroyed || stream.closed;
}
