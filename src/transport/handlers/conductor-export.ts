// ConductorService.ExportDisclosurePack: an archive, piece by piece, as fast as its reader takes it. Between two pieces nothing of the
// store is held. Not here: what the archive holds, see operations/pack-export.ts.
import { toBinary } from "@bufbuild/protobuf";
import {
  ConductorService,
  ExportDisclosurePackRequestSchema,
  ExportDisclosurePackResponseSchema,
} from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type {
  ExportDisclosurePackRequest,
  ExportDisclosurePackResponse,
} from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { RefusedError } from "../../domain/refusal.ts";
import { KEY_ENDED } from "../../engine/identify.ts";
import type { PackSource } from "../../operations/pack-source.ts";
import { archiveToWire, packName } from "../mapping/conductor-packs.ts";
import { methodSpec } from "../operation-table.ts";
import { largeServer } from "../route.ts";
import type { CallInfo, Route } from "../route.ts";
import { validate } from "../validate.ts";
import type { Kit } from "./kit.ts";
import { goingDown, granted } from "./watch.ts";

const spec = methodSpec(ConductorService.method.exportDisclosurePack);

export function packExportRoute(kit: Kit): Route {
  return largeServer(
    ConductorService.method.exportDisclosurePack,
    (request, info) => exportPack(kit, request, info),
    (message) => toBinary(ExportDisclosurePackResponseSchema, message),
  );
}

const say = (part: ExportDisclosurePackResponse["part"]): ExportDisclosurePackResponse => ({
  $typeName: "maestro.conductor.v1.ExportDisclosurePackResponse",
  part,
});

async function* exportPack(
  kit: Kit,
  request: ExportDisclosurePackRequest,
  info: CallInfo,
): AsyncGenerator<ExportDisclosurePackResponse> {
  const admitted = await kit.pipeline.admit({
    method: spec,
    caller: info.caller,
    keyHeader: "",
    keyField: "",
    decode: () => {
      const valid = validate(ExportDisclosurePackRequestSchema, request);
      return valid.ok ? { ok: true, value: packName(request.id) } : valid;
    },
  });
  const { principal, request: which } = granted(admitted);
  const { orgId } = principal;
  const close = granted(kit.transfers.download(orgId));
  const held = kit.keys.hold(principal);
  const stop = new AbortController();
  const signal = AbortSignal.any([info.signal, stop.signal]);
  const source: PackSource = {
    orgId,
    signal,
    read: async (work) => granted(await kit.pipeline.read(principal, work, signal)),
    part: async (at) => {
      const giveBack = await kit.transfers.outgoing(orgId, at.length, signal);
      try {
        return granted(await kit.pipeline.content(at, signal));
      } finally {
        giveBack();
      }
    },
  };
  try {
    const archive = granted(await kit.operations.packExport(source, which));
    yield say(archiveToWire(archive));
    for await (const value of archive.bytes) {
      if (held.ended.aborted) throw new RefusedError(KEY_ENDED);
      if (kit.draining.aborted) throw new RefusedError(goingDown());
      // Gone on with when the reader has taken it.
      yield say({ case: "data", value });
    }
  } finally {
    // What is being read for a reader that has gone.
    stop.abort();
    held.release();
    close();
  }
}
