// ArtifactService.DownloadArtifact: content, chunk by chunk, as fast as its reader takes it. Between two chunks nothing is held: no
// connection to the store, no lock, no memory but for the chunk that is on its way.
import { ArtifactService, DownloadArtifactRequestSchema } from "../../../gen/maestro/v1/artifact_service_pb.ts";
import type { DownloadArtifactRequest, DownloadArtifactResponse } from "../../../gen/maestro/v1/artifact_service_pb.ts";
import { artifactUri } from "../../domain/artifact.ts";
import { RefusedError, invalid, notFound } from "../../domain/refusal.ts";
import { KEY_ENDED } from "../../engine/identify.ts";
import { digestOfUri, keptArtifactToWire } from "../mapping/artifact.ts";
import { noProblems } from "../mapping/problems.ts";
import { methodSpec } from "../operation-table.ts";
import { server } from "../route.ts";
import type { CallInfo, Route } from "../route.ts";
import { validate } from "../validate.ts";
import type { Kit } from "./kit.ts";
import { goingDown, granted } from "./watch.ts";

const spec = methodSpec(ArtifactService.method.downloadArtifact);

export function downloadRoute(kit: Kit): Route {
  return server(ArtifactService.method.downloadArtifact, (request, info) => download(kit, request, info));
}

const say = (message: DownloadArtifactResponse["message"]): DownloadArtifactResponse => ({
  $typeName: "maestro.v1.DownloadArtifactResponse",
  message,
});

async function* download(
  kit: Kit,
  request: DownloadArtifactRequest,
  info: CallInfo,
): AsyncGenerator<DownloadArtifactResponse> {
  const admitted = await kit.pipeline.admit({
    method: spec,
    caller: info.caller,
    keyHeader: "",
    keyField: "",
    decode: () => {
      const valid = validate(DownloadArtifactRequestSchema, request);
      if (!valid.ok) return valid;
      const problems = noProblems();
      return problems.judge(digestOfUri(problems, "uri", request.uri));
    },
  });
  const { principal, request: digest } = granted(admitted);
  const { orgId } = principal;
  const gone = (): RefusedError => new RefusedError(notFound("artifact", artifactUri(digest)).refusal);
  const artifact = granted(await kit.pipeline.read(principal, (tx) => tx.artifacts.find(orgId, digest), info.signal));
  if (artifact === undefined) throw gone();
  const { sizeBytes, chunkBytes, contentId } = artifact;
  const offset = Number(request.offset);
  if (offset > sizeBytes)
    throw new RefusedError(
      invalid({ field: "offset", description: `must be at most ${sizeBytes}`, rule: "artifact.offset" }).refusal,
    );
  const end = request.length === 0n ? sizeBytes : Math.min(sizeBytes, offset + Number(request.length));
  const held = kit.keys.hold(principal);
  try {
    yield say({ case: "artifact", value: keptArtifactToWire(artifact) });
    for (let at = offset; at < end && !info.signal.aborted;) {
      if (held.ended.aborted) throw new RefusedError(KEY_ENDED);
      if (kit.draining.aborted) throw new RefusedError(goingDown());
      const place = Math.floor(at / chunkBytes);
      const chunk = granted(
        await kit.pipeline.read(principal, (tx) => tx.artifacts.chunk(orgId, contentId, place), info.signal),
      );
      // Deleted while it was read, and swept.
      if (chunk === undefined) throw gone();
      const data = chunk.subarray(at - place * chunkBytes, Math.min(chunk.length, end - place * chunkBytes));
      const part = { $typeName: "maestro.v1.Part" as const, offset: BigInt(at), data };
      yield say({ case: "part", value: part });
      at += data.length;
    }
  } finally {
    held.release();
  }
}
