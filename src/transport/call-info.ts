// What headers say of a call, read alike on both listeners.
import type { CallInfo } from "./route.ts";

/** `header` gives the first value of a header by its lower-case name, or nothing. */
export function callInfo(header: (name: string) => string | undefined, address: string, signal: AbortSignal): CallInfo {
  return {
    caller: {
      authorization: header("authorization") ?? "",
      address,
      forwarded: header("forwarded") !== undefined || header("x-forwarded-for") !== undefined,
    },
    key: header("idempotency-key") ?? "",
    traceparent: header("traceparent") ?? "",
    signal,
  };
}
