// A disclosure pack as a file: the rpc's stream, whose first message says what it is, as the body of one answer.
import type { Message } from "@bufbuild/protobuf";
import type { ExportDisclosurePackResponse } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { RefusedError } from "../../domain/refusal.ts";
import { refusalReply } from "./codes.ts";
import type { Reply } from "./codes.ts";
import { sendParts } from "./send.ts";
import type { Outgoing } from "./send.ts";
import type { Asked } from "./violations.ts";

/** Sends the archive, or gives the answer that says why there is none. What breaks off later cuts the answer short. */
export async function exportArchive(
  messages: AsyncIterable<Message>,
  asked: Asked,
  response: Outgoing,
  bare: boolean,
): Promise<Reply | undefined> {
  const stream = messages[Symbol.asyncIterator]() as AsyncIterator<ExportDisclosurePackResponse>;
  try {
    const first = await stream.next();
    const part = first.done === true ? undefined : first.value.part;
    if (part?.case !== "archive") throw new Error("an export does not begin with what it is");
    const { fileName, contentType, keyId } = part.value;
    const headers = {
      "content-type": contentType,
      "content-disposition": `attachment; filename="${fileName.replaceAll(/[^\w.-]/g, "_")}"`,
      "cache-control": "no-store",
      "x-signing-key": keyId,
    };
    await sendParts(response, headers, dataOf(stream), bare);
    return undefined;
  } catch (error) {
    if (error instanceof RefusedError && !response.headersSent) return refusalReply(error.refusal, asked);
    throw error;
  } finally {
    await stream.return?.();
  }
}

async function* dataOf(stream: AsyncIterator<ExportDisclosurePackResponse>): AsyncGenerator<Uint8Array> {
  for (let next = await stream.next(); next.done !== true; next = await stream.next())
    if (next.value.part.case === "data") yield next.value.part.value;
}
