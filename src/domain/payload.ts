// Values that flow through plans, and the rules they obey. Not here: where they are kept, nor their wire form.

/** A value. JSON is kept as the text it came in; its digest is over the RFC 8785 form. */
export type Payload =
  | { readonly kind: "json"; readonly text: string }
  | { readonly kind: "bytes"; readonly contentType: string; /** base64 */ readonly data: string }
  | { readonly kind: "artifact"; readonly uri: string };

export interface Artifact {
  readonly name: string;
  readonly uri: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly contentType: string;
}

export const INLINE_LIMIT_BYTES = 262_144;
/** Payloads above this are written before the batch that refers to them. */
export const IN_ROW_LIMIT_BYTES = 16_384;
export const NESTING_LIMIT = 64;

/** The store's text of a payload: JSON objects and arrays stand for themselves after a `j`, the rest is tagged. */
export function payloadText(payload: Payload | null): string | null {
  if (payload === null) return null;
  switch (payload.kind) {
    case "json":
      return `j${payload.text}`;
    case "bytes":
      return `b${payload.contentType}\n${payload.data}`;
    case "artifact":
      return `a${payload.uri}`;
  }
}

/** The payload of a store's text. */
export function payloadOf(text: string | null): Payload | null {
  if (text === null) return null;
  const rest = text.slice(1);
  if (text.startsWith("j")) return { kind: "json", text: rest };
  if (text.startsWith("a")) return { kind: "artifact", uri: rest };
  const end = rest.indexOf("\n");
  return { kind: "bytes", contentType: rest.slice(0, end), data: rest.slice(end + 1) };
}
