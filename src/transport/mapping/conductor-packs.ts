// Disclosure packs and signing keys as messages and back. Not here: runs and artifacts, see conductor.ts.
import type { DisclosurePack as WirePack } from "../../../gen/maestro/conductor/v1/disclosure_pack_pb.ts";
import type {
  CreateDisclosurePackRequest,
  ExportDisclosurePackResponse,
} from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { SigningKey as WireKey } from "../../../gen/maestro/conductor/v1/signing_key_pb.ts";
import type { DisclosurePack } from "../../domain/disclosure-pack.ts";
import { ID_PREFIX } from "../../domain/id.ts";
import type { PackId } from "../../domain/id.ts";
import { PACK_CONTENT_TYPE } from "../../domain/release/pack-files.ts";
import type { PackCreateRequest } from "../../operations/pack-create.ts";
import type { PackExport } from "../../operations/pack-export.ts";
import type { Looked } from "../../operations/run-name.ts";
import type { PublicSigningKey } from "../../operations/signing-key-list.ts";
import { uuidOf } from "../../support/typeid.ts";
import { runArtifactName, runName } from "./conductor.ts";
import { idText } from "./problems.ts";
import type { Problems } from "./problems.ts";
import { timestamp } from "./time.ts";
import { visibleIn } from "./visible.ts";

export function packName(text: string): Looked<PackId> {
  return { id: (uuidOf(text, ID_PREFIX.pack) ?? null) as PackId | null, text };
}

export function packRequestOf(wire: CreateDisclosurePackRequest, problems: Problems): PackCreateRequest {
  return {
    run: runName(wire.runId),
    summary: visibleIn(problems, "summary", wire.summary),
    artifacts: wire.artifactIds.map(runArtifactName),
    redactions: wire.redactions,
  };
}

export function packToWire(pack: DisclosurePack): WirePack {
  return {
    $typeName: "maestro.conductor.v1.DisclosurePack",
    id: idText("pack", pack.packId),
    runId: idText("run", pack.runId),
    summary: pack.summary,
    artifactIds: pack.artifactIds.map((id) => idText("runArtifact", id)),
    createdAt: timestamp(pack.createdMs),
    createdBy: pack.createdBy,
    redactions: [...pack.redactions],
  };
}

export function archiveToWire({ fileName, keyId }: PackExport): ExportDisclosurePackResponse["part"] {
  return {
    case: "archive",
    value: {
      $typeName: "maestro.conductor.v1.PackArchive",
      fileName,
      contentType: PACK_CONTENT_TYPE,
      keyId,
    },
  };
}

export function signingKeyToWire({ keyId, publicPem, createdMs }: PublicSigningKey): WireKey {
  return {
    $typeName: "maestro.conductor.v1.SigningKey",
    keyId,
    publicKeyPem: publicPem,
    createdAt: timestamp(createdMs),
  };
}
