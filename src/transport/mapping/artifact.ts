// Artifacts and uploads as messages, and addresses in requests. Not here: artifacts that outcomes name, see payload.ts.
import { toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Artifact, Upload as WireUpload } from "../../../gen/maestro/v1/artifact_pb.ts";
import { artifactUri, digestIn } from "../../domain/artifact.ts";
import type { KeptArtifact } from "../../domain/artifact.ts";
import { DownloadArtifactResponseSchema, PartSchema } from "../../../gen/maestro/v1/artifact_service_pb.ts";
import type { BeginUploadResponse, DownloadArtifactResponse } from "../../../gen/maestro/v1/artifact_service_pb.ts";
import type { ArtifactBegun } from "../../operations/artifact-begin.ts";
import type { UploadView } from "../../operations/artifact-view.ts";
import { idText } from "./problems.ts";
import type { Problems } from "./problems.ts";
import { timestamp } from "./time.ts";

/** The digest that an address names; one of another kind is a problem. */
export function digestOfUri(problems: Problems, field: string, text: string): string {
  const digest = digestIn(text);
  if (digest === undefined)
    problems.add(
      field,
      "must be an artifact's address, such as max://artifact/sha256:…, or its digest",
      "artifact.uri",
    );
  return digest ?? "";
}

export function keptArtifactToWire(artifact: KeptArtifact): Artifact {
  const { digest, sizeBytes, contentType, name, createdMs, createdBy } = artifact;
  return {
    $typeName: "maestro.v1.Artifact",
    uri: artifactUri(digest),
    digest,
    sizeBytes: BigInt(sizeBytes),
    contentType,
    name,
    createdAt: timestamp(createdMs),
    createdBy,
  };
}

export function uploadToWire({ upload, receivedBytes, missing }: UploadView): WireUpload {
  const { uploadId, digest, sizeBytes, chunkBytes, contentType, name, expiresMs } = upload;
  return {
    $typeName: "maestro.v1.Upload",
    uploadId: idText("upload", uploadId),
    digest,
    sizeBytes: BigInt(sizeBytes),
    chunkBytes,
    receivedBytes: BigInt(receivedBytes),
    missing: missing.map((stretch) => ({
      $typeName: "maestro.v1.Stretch",
      offset: BigInt(stretch.offset),
      sizeBytes: BigInt(stretch.sizeBytes),
    })),
    expiresAt: timestamp(expiresMs),
    contentType,
    name,
  };
}

export function begunToWire(begun: ArtifactBegun): BeginUploadResponse["result"] {
  return begun.kind === "there"
    ? { case: "artifact", value: keptArtifactToWire(begun.artifact) }
    : { case: "upload", value: uploadToWire(begun.view) };
}

/** Where parts are written; grows to the largest. */
let scratch = new Uint8Array(0);
const { number: PART } = DownloadArtifactResponseSchema.field.part;
const { number: OFFSET } = PartSchema.field.offset;
const { number: DATA } = PartSchema.field.data;

/** A message of a download; good until the next call. The codec would copy the bytes of a part twice. */
export function encodeDownload(response: DownloadArtifactResponse): Uint8Array {
  if (response.message.case !== "part") return toBinary(DownloadArtifactResponseSchema, response);
  const { offset, data } = response.message.value;
  const field = new BinaryWriter();
  if (offset !== 0n) field.tag(OFFSET, WireType.Varint).int64(offset);
  const own = field.tag(DATA, WireType.LengthDelimited).uint32(data.length).finish();
  const head = new BinaryWriter()
    .tag(PART, WireType.LengthDelimited)
    .uint32(own.length + data.length)
    .raw(own)
    .finish();
  const length = head.length + data.length;
  if (scratch.length < length) scratch = new Uint8Array(length);
  scratch.set(head);
  scratch.set(data, head.length);
  return scratch.subarray(0, length);
}
