// ArtifactService: content too large to travel inline. Not here: sending it out, see artifact-download.ts.
import { ArtifactService } from "../../../gen/maestro/v1/artifact_service_pb.ts";
import { begunToWire, digestOfUri, keptArtifactToWire, uploadToWire } from "../mapping/artifact.ts";
import { idIn } from "../mapping/problems.ts";
import type { Problems } from "../mapping/problems.ts";
import type { Route } from "../route.ts";
import { downloadRoute } from "./artifact-download.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function artifactRoutes(kit: Kit): readonly Route[] {
  const { artifactAbort, artifactBegin, artifactChunk, artifactDelete, artifactFinish } = kit.operations;
  const { artifactGet, artifactList, artifactUploadGet } = kit.operations;
  const { method } = ArtifactService;
  const upload = ({ uploadId }: { readonly uploadId: string }, problems: Problems) => ({
    uploadId: idIn(problems, "upload_id", "upload", uploadId),
  });
  const artifact = ({ uri }: { readonly uri: string }, problems: Problems) => ({
    digest: digestOfUri(problems, "uri", uri),
  });
  return [
    operationRoute(kit, method.beginUpload, {
      operation: artifactBegin,
      request: ({ digest, sizeBytes, contentType, name, chunkBytes }) => ({
        digest,
        sizeBytes: Number(sizeBytes),
        contentType,
        name,
        chunkBytes,
      }),
      answer: (begun) => ({ result: begunToWire(begun) }),
    }),
    operationRoute(kit, method.getUpload, {
      operation: artifactUploadGet,
      request: upload,
      answer: (view) => ({ upload: uploadToWire(view) }),
    }),
    operationRoute(kit, method.uploadChunk, {
      operation: artifactChunk,
      request: (message, problems) => ({
        ...upload(message, problems),
        offset: Number(message.offset),
        sizeBytes: message.data.length,
        data: message.data,
      }),
      answer: ({ nextOffset }) => ({ nextOffset: BigInt(nextOffset) }),
      contentBytes: ({ data }) => data.length,
    }),
    operationRoute(kit, method.finishUpload, {
      operation: artifactFinish,
      request: upload,
      answer: (made) => ({ artifact: keptArtifactToWire(made) }),
    }),
    operationRoute(kit, method.abortUpload, { operation: artifactAbort, request: upload, answer: () => ({}) }),
    operationRoute(kit, method.getArtifact, {
      operation: artifactGet,
      request: artifact,
      answer: (found) => ({ artifact: keptArtifactToWire(found) }),
    }),
    operationRoute(kit, method.listArtifacts, {
      operation: artifactList,
      request: (_, __, { page }) => ({ page }),
      answer: ({ items, next }, _, paging) => ({
        artifacts: items.map(keptArtifactToWire),
        nextPageToken: paging.next(next),
      }),
    }),
    downloadRoute(kit),
    operationRoute(kit, method.deleteArtifact, { operation: artifactDelete, request: artifact, answer: () => ({}) }),
  ];
}
