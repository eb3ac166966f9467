// Timestamps and durations as milliseconds and back. Literals instead of `create`: these are made several times per assignment.
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

export function timestamp(epochMs: number): Timestamp {
  const seconds = Math.floor(epochMs / 1_000);
  return {
    $typeName: "google.protobuf.Timestamp",
    seconds: BigInt(seconds),
    nanos: Math.round((epochMs - seconds * 1_000) * 1_000_000),
  };
}

export function optionalTimestamp(epochMs: number | null): Timestamp | undefined {
  return epochMs === null ? undefined : timestamp(epochMs);
}

export function timestampMs(time: Timestamp): number {
  return Number(time.seconds) * 1_000 + Math.floor(time.nanos / 1_000_000);
}

export function duration(ms: number): Duration {
  const seconds = Math.trunc(ms / 1_000);
  return {
    $typeName: "google.protobuf.Duration",
    seconds: BigInt(seconds),
    nanos: Math.round((ms - seconds * 1_000) * 1_000_000),
  };
}

export function optionalDuration(ms: number | null): Duration | undefined {
  return ms === null ? undefined : duration(ms);
}

/** Whole milliseconds; a part of one counts as one, so that no time-out becomes nothing. */
export function durationMs(span: Duration): number {
  return Number(span.seconds) * 1_000 + Math.ceil(span.nanos / 1_000_000);
}

export function optionalDurationMs(span: Duration | undefined): number | null {
  return span === undefined ? null : durationMs(span);
}
