// ConductorService: runs, artifacts and manifests. Not here: gates, packs and workflows, see the files beside this one.
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { complianceToWire } from "../mapping/compliance.ts";
import {
  runArtifactName,
  runArtifactOf,
  runArtifactToWire,
  runChangeOf,
  runName,
  runToWire,
} from "../mapping/conductor.ts";
import { packToWire } from "../mapping/conductor-packs.ts";
import { runArtifactKinds, runStatuses } from "../mapping/words.ts";
import type { Route } from "../route.ts";
import { createRunRoute } from "./conductor-create-run.ts";
import { goingTogether, operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function conductorRunRoutes(kit: Kit): readonly Route[] {
  const { manifestGet, runGet, runList, runUpdate, runArtifactCreate, runArtifactGet, runArtifactList } =
    kit.operations;
  const { method } = ConductorService;
  return [
    createRunRoute(kit),
    operationRoute(kit, method.getRun, {
      ...goingTogether(runGet),
      request: ({ id }) => runName(id),
      answer: (run) => ({ run: runToWire(run) }),
    }),
    operationRoute(kit, method.listRuns, {
      operation: runList,
      request: ({ owner, status }, _, { page }) => ({
        owner: owner === "" ? null : owner,
        status: runStatuses.word(status) ?? null,
        page,
      }),
      answer: ({ items, next }, _, paging) => ({ runs: items.map(runToWire), nextPageToken: paging.next(next) }),
    }),
    operationRoute(kit, method.updateRun, {
      operation: runUpdate,
      request: (wire, problems) => ({ run: runName(wire.id), change: runChangeOf(wire, problems) }),
      answer: (run) => ({ run: runToWire(run) }),
    }),
    operationRoute(kit, method.getManifest, {
      operation: manifestGet,
      oneMoment: true,
      request: ({ id }) => runName(id),
      answer: ({ run, artifacts, pack, report }) => ({
        run: runToWire(run),
        artifacts: artifacts.map(runArtifactToWire),
        disclosurePack: pack === undefined ? undefined : packToWire(pack),
        complianceReport: complianceToWire(report),
      }),
    }),
    operationRoute(kit, method.createArtifact, {
      ...goingTogether(runArtifactCreate, ({ uri, additional }) => uri.length + additional.length),
      request: runArtifactOf,
      answer: (artifact) => ({ artifact: runArtifactToWire(artifact) }),
    }),
    operationRoute(kit, method.getArtifact, {
      ...goingTogether(runArtifactGet),
      request: ({ id }) => runArtifactName(id),
      answer: (artifact) => ({ artifact: runArtifactToWire(artifact) }),
    }),
    operationRoute(kit, method.listArtifacts, {
      operation: runArtifactList,
      request: ({ runId, kind }, _, { page }) => ({
        run: runId === "" ? null : runName(runId),
        kind: runArtifactKinds.word(kind) ?? null,
        page,
      }),
      answer: ({ items, next }, _, paging) => ({
        artifacts: items.map(runArtifactToWire),
        nextPageToken: paging.next(next),
      }),
    }),
  ];
}
