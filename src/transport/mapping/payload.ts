// Payloads and artifacts as messages and back; JSON is read once here, under the domain's rules. Hot: outcomes and assignments.
import type { ArtifactRef, Payload as WirePayload } from "../../../gen/maestro/v1/payload_pb.ts";
import { digestOf, digestOfText } from "../../domain/canonical.ts";
import { parseJson } from "../../domain/json.ts";
import type { JsonValue } from "../../domain/json.ts";
import { payloadText } from "../../domain/payload.ts";
import type { Artifact, Payload } from "../../domain/payload.ts";
import type { Problems } from "./problems.ts";

export function payloadToWire(payload: Payload | null): WirePayload | undefined {
  if (payload === null) return undefined;
  switch (payload.kind) {
    case "json":
      return { $typeName: "maestro.v1.Payload", value: { case: "json", value: payload.text } };
    case "artifact":
      return { $typeName: "maestro.v1.Payload", value: { case: "artifactUri", value: payload.uri } };
    case "bytes": {
      const data = new Uint8Array(Buffer.from(payload.data, "base64"));
      return {
        $typeName: "maestro.v1.Payload",
        value: { case: "bytes", value: { $typeName: "maestro.v1.Bytes", contentType: payload.contentType, data } },
      };
    }
  }
}

interface Read {
  readonly payload: Payload | null;
  /** The parsed value of a JSON payload. */
  readonly json?: JsonValue;
}

function read(problems: Problems, field: string, wire: WirePayload | undefined): Read {
  const value = wire?.value;
  switch (value?.case) {
    case undefined:
      return { payload: null };
    case "json": {
      const parsed = parseJson(value.value);
      if (parsed.ok) return { payload: { kind: "json", text: value.value }, json: parsed.value };
      problems.add(`${field}.json`, parsed.problem, "payload.json");
      return { payload: null };
    }
    case "artifactUri":
      return { payload: { kind: "artifact", uri: value.value } };
    case "bytes":
      return {
        payload: {
          kind: "bytes",
          contentType: value.value.contentType,
          data: Buffer.from(value.value.data).toString("base64"),
        },
      };
  }
}

export function payloadIn(problems: Problems, field: string, wire: WirePayload | undefined): Payload | null {
  return read(problems, field, wire).payload;
}

/**
 * What a step came to, with its digest: over the RFC 8785 form of JSON, over the store's text of the rest; empty for none. JSON is an
 * object: other steps refer to its fields, and would fail for good where there are none.
 */
export function outputsIn(
  problems: Problems,
  field: string,
  wire: WirePayload | undefined,
): { readonly payload: Payload | null; readonly digest: string } {
  const { payload, json } = read(problems, field, wire);
  if (json !== undefined && (typeof json !== "object" || json === null || Array.isArray(json)))
    problems.add(`${field}.json`, "must be a JSON object", "outputs.object");
  if (payload === null) return { payload, digest: "" };
  return { payload, digest: json === undefined ? digestOfText(payloadText(payload) ?? "") : digestOf(json) };
}

export function artifactOf({ name, uri, digest, sizeBytes, contentType }: ArtifactRef): Artifact {
  return { name, uri, digest, sizeBytes: Number(sizeBytes), contentType };
}

export function artifactToWire({ name, uri, digest, sizeBytes, contentType }: Artifact): ArtifactRef {
  return { $typeName: "maestro.v1.ArtifactRef", name, uri, digest, sizeBytes: BigInt(sizeBytes), contentType };
}
