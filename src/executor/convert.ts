// Between the words of handlers and the messages of the wire: payloads, amounts, times, text within bounds.
import { create } from "@bufbuild/protobuf";
import type { JsonValue } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import { AmountsSchema } from "../../gen/maestro/v1/amounts_pb.ts";
import type { Amounts, Budget } from "../../gen/maestro/v1/amounts_pb.ts";
import { PayloadSchema } from "../../gen/maestro/v1/payload_pb.ts";
import type { Payload } from "../../gen/maestro/v1/payload_pb.ts";
import type { RemainingBudget, Usage, Value } from "./step.ts";

/** Most bytes of an inline value. */
export const INLINE_BYTES = 262_144;

/** The value of a payload; `undefined` when there is none. Throws on text that is not JSON. */
export function valueOf(payload: Payload | undefined): Value | undefined {
  switch (payload?.value.case) {
    case "json":
      return JSON.parse(payload.value.value) as JsonValue;
    case "bytes":
      return { contentType: payload.value.value.contentType, data: payload.value.value.data };
    case "artifactUri":
      return { artifactUri: payload.value.value };
    default:
      return undefined;
  }
}

/** A JSON payload. Throws a RangeError when it is larger than may travel inline. */
export function jsonPayload(value: JsonValue): Payload {
  const text = JSON.stringify(value);
  const size = Buffer.byteLength(text);
  if (size > INLINE_BYTES) {
    throw new RangeError(
      `the value has ${size} bytes as JSON; at most ${INLINE_BYTES} travel inline. Keep it elsewhere and name it as an artifact.`,
    );
  }
  return create(PayloadSchema, { value: { case: "json", value: text } });
}

export function timestamp(epochMs: number): Timestamp {
  const ms = Math.floor(epochMs);
  const seconds = Math.floor(ms / 1000);
  return create(TimestampSchema, { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 });
}

export function epochMsOf(time: Timestamp | undefined): number | undefined {
  return time && Number(time.seconds) * 1000 + time.nanos / 1_000_000;
}

export function duration(ms: number): Duration {
  const whole = Math.max(0, Math.round(ms));
  return create(DurationSchema, { seconds: BigInt(Math.floor(whole / 1000)), nanos: (whole % 1000) * 1_000_000 });
}

export function msOf(span: Duration | undefined): number | undefined {
  return span && Number(span.seconds) * 1000 + span.nanos / 1_000_000;
}

export function amounts(usage: Required<Usage>): Amounts {
  return create(AmountsSchema, {
    tokens: whole(usage.tokens),
    moneyMicros: whole(usage.moneyMicros),
    wall: duration(usage.wallMs),
    energyMillijoules: whole(usage.energyJoules * 1000),
  });
}

export function usageOf(held: Amounts | undefined): Usage {
  if (held === undefined) return {};
  return {
    tokens: Number(held.tokens),
    moneyMicros: Number(held.moneyMicros),
    energyJoules: Number(held.energyMillijoules) / 1000,
    wallMs: msOf(held.wall) ?? 0,
  };
}

export function remainingOf(budget: Budget | undefined): RemainingBudget {
  const wallMs = msOf(budget?.wall);
  return {
    currency: budget?.currency ?? "",
    ...(budget?.tokens !== undefined && { tokens: Number(budget.tokens) }),
    ...(budget?.moneyMicros !== undefined && { moneyMicros: Number(budget.moneyMicros) }),
    ...(budget?.energyMillijoules !== undefined && { energyJoules: Number(budget.energyMillijoules) / 1000 }),
    ...(wallMs !== undefined && { wallMs }),
  };
}

/** Text cut to that many bytes of UTF-8, never inside a character. */
export function cut(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text);
  let end = maxBytes - 3;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${bytes.toString("utf8", 0, end)}…`;
}

function whole(value: number): bigint {
  return BigInt(Math.min(Number.MAX_SAFE_INTEGER, Math.round(value)));
}
