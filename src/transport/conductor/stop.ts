// Requests that the guard stops, in REST's words. Not here: what it stops, see ../guard.ts.
import { plainReply, refusalReply } from "./codes.ts";
import type { Reply } from "./codes.ts";
import { notJson } from "./body.ts";

export function stopReply(status: number, text: string): Reply {
  if (status !== 415) return plainReply(status, text);
  const { refusal } = notJson();
  return refusalReply(refusal, { within: "body", given: {} }, { status });
}
