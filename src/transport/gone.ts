// Whether anybody is left to read an answer, and ends of answers whose request goes on. Not here: what stops because of it.
import type { ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";

/** Of HTTP/2 the stream says so: its response has no `destroyed`, and takes what is written after its end without a word. */
export function isGone(response: ServerResponse): boolean {
  const stream = streamOf(response);
  return stream === undefined ? response.destroyed : stream.destroyed || stream.closed;
}

/** Of the request nothing more is wanted: the rest of a body would keep its HTTP/2 stream open for as long as it likes. */
export function closeAfterwards(response: ServerResponse): void {
  const stream = streamOf(response);
  // The last that is asked before an answer ends: closing at once would keep its trailers back.
  stream?.once("wantTrailers", () => setImmediate(() => stream.close()));
}

function streamOf(response: ServerResponse): ServerHttp2Stream | undefined {
  return (response as { readonly stream?: ServerHttp2Stream }).stream;
}
