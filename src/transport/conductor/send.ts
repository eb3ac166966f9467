// Sends answers over HTTP/1.1 and HTTP/2 alike: whole ones, and ones that come in parts, no faster than they are taken.
import type { ServerResponse } from "node:http";
import { isGone } from "../gone.ts";
import type { Reply } from "./codes.ts";

/** Over HTTP/2 another class, which answers to the same calls. */
export type Outgoing = ServerResponse;

/** `bare` leaves the body out, as HEAD does. */
export function send(response: Outgoing, { status, headers, body }: Reply, bare: boolean): void {
  if (isGone(response) || response.headersSent) return;
  const bytes = typeof body === "string" ? Buffer.from(body, "utf8") : body;
  response.writeHead(status, { ...headers, "content-length": bytes.length });
  response.end(bare ? undefined : bytes);
}

/** What throws halfway cuts the answer, so that nobody takes it for a whole one. Parts that nobody is left to read are given up. */
export async function sendParts(
  response: Outgoing,
  headers: Readonly<Record<string, string>>,
  parts: AsyncIterable<string | Uint8Array>,
  bare: boolean,
): Promise<void> {
  response.writeHead(200, { ...headers });
  if (bare) {
    response.end();
    return;
  }
  for await (const part of parts) {
    if (isGone(response)) return;
    if (!response.write(part)) await drained(response);
  }
  response.end();
}

/** Until there is room, or nobody left to read. */
function drained(response: Outgoing): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done).off("error", done);
      resolve();
    };
    response.on("drain", done).on("close", done).on("error", done);
    if (isGone(response)) done();
  });
}
