// ArtifactService.DownloadArtifact: content, part by part, as fast as its reader takes it. Between two parts nothing is held: no
// connection to the store, no lock, no memory but for the part that is on its way.
import { ArtifactService, DownloadArtifactRequestSchema } from "../../../gen/maestro/v1/artifact_service_pb.ts";
import type { DownloadArtifactRequest, DownloadArtifactResponse } from "../../../gen/maestro/v1/artifact_service_pb.ts";
import { artifactUri } from "../../domain/artifact.ts";
import { RefusedError, invalid, notFound } from "../../domain/refusal.ts";
import { KEY_ENDED } from "../../engine/identify.ts";
import { digestOfUri, encodeDownload, keptArtifactToWire } from "../mapping/artifact.ts";
import { noProblems } from "../mapping/problems.ts";
import { methodSpec } from "../operation-table.ts";
import { largeServer } from "../route.ts";
import type { CallInfo, Route } from "../route.ts";
import { validate } from "../validate.ts";
import type { Kit } from "./kit.ts";
import { goingDown, granted } from "./watch.ts";

const spec = methodSpec(ArtifactService.method.downloadArtifact);

/** Bytes of a part: what is done with so many takes less than a millisecond of the event loop. */
const PART_BYTES = 524_288;

export function downloadRoute(kit: Kit): Route {
  return largeServer(
    ArtifactService.method.downloadArtifact,
    (request, info) => download(kit, request, info),
    encodeDownload,
  );
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
  const close = granted(kit.transfers.download(orgId));
  const held = kit.keys.hold(principal);
  let giveBack: (() => void) | undefined;
  try {
    yield say({ case: "artifact", value: keptArtifactToWire(artifact) });
    for (let at = offset; at < end && !info.signal.aborted;) {
      if (held.ended.aborted) throw new RefusedError(KEY_ENDED);
      if (kit.draining.aborted) throw new RefusedError(goingDown());
      const place = Math.floor(at / chunkBytes);
      const from = at - place * chunkBytes;
      const length = Math.min(PART_BYTES, chunkBytes - from, end - at);
      giveBack = await kit.transfers.outgoing(orgId, length, info.signal);
      const data = granted(await kit.pipeline.content({ orgId, contentId, place, offset: from, length }, info.signal));
      // Deleted while it was read, and swept.
      if (data === undefined) throw gone();
      const part = { $typeName: "maestro.v1.Part" as const, offset: BigInt(at), data };
      // Gone on with when the reader has taken it.
      yield say({ case: "part", value: part });
      giveBack();
      at += length;
      // Given back at once: left to the collector, every 30 MiB would cost the event loop a collection of all that there is.
      release(data);
    }
  } finally {
    giveBack?.();
    held.release();
    close();
  }
}

/** Its memory, if nothing else is in it. */
function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
