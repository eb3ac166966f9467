// Stage 1: the message is readable, and header and field agree on one idempotency key. Not here: reading a wire format.
import { refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { AdmitCall } from "./call.ts";

/** Longest idempotency key, wherever it is given. */
export const KEY_LIMIT_BYTES = 128;

export interface Decoded<Req> {
  readonly request: Req;
  readonly key: string;
}

export async function decode<Req>(call: AdmitCall<Req>): Promise<Decision<Decoded<Req>>> {
  const { keyHeader, keyField } = call;
  if (keyHeader !== "" && keyField !== "" && keyHeader !== keyField) {
    return refused("IDEMPOTENCY_CONFLICT", "The Idempotency-Key header and the field idempotency_key differ.", {
      stage: "DECODE",
      rule: "idempotency.header",
      metadata: { key: keyField },
      remedy: "Send one of them, or the same value in both.",
    });
  }
  const key = keyField === "" ? keyHeader : keyField;
  if (Buffer.byteLength(key) > KEY_LIMIT_BYTES) {
    return refused("INVALID_REQUEST", `The idempotency key is longer than ${KEY_LIMIT_BYTES} bytes.`, {
      rule: "idempotency.length",
      violations: [
        { field: "idempotency_key", description: `must be at most ${KEY_LIMIT_BYTES} bytes`, rule: "string.max_bytes" },
      ],
    });
  }
  const request = await call.decode();
  return request.ok ? { ok: true, value: { request: request.value, key } } : request;
}
