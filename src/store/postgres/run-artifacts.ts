// Artifacts of runs. Not here: those that outcomes name, which are written with them (write-statements.ts).
import type { JudgedArtifact } from "../../domain/release/gate.ts";
import type { RunArtifact } from "../../domain/run-artifact.ts";
import type { RunArtifactRepository } from "../ports/run-artifacts.ts";
import { arrayLiteral, arraysOf, insertText } from "./columns.ts";
import { below, OF_A_RUN } from "./newest-first.ts";
import { PAGE } from "./pages.ts";
import {
  JUDGED_ARTIFACT_SELECT,
  judgedArtifactOf,
  RUN_ARTIFACT_COLUMNS,
  RUN_ARTIFACT_SELECT,
  runArtifactOf,
} from "./run-artifact-rows.ts";
import type { RawRunArtifact } from "./run-artifact-rows.ts";
import type { Session } from "./transaction.ts";

const list = (where: string, select = RUN_ARTIFACT_SELECT): string =>
  `SELECT ${select} FROM maestro.run_artifacts a WHERE a.org_id = $1 AND ${where} AND (a.created_ms, a.artifact_id) < ($2, $3) ` +
  `ORDER BY a.created_ms DESC, a.artifact_id DESC LIMIT $4`;
const OF_RUN = `a.run_id = $5 AND a.${OF_A_RUN}`;

/** Of a run, and one look-up of the step for each artifact that has one. */
const STANDING =
  `${OF_RUN} AND (a.ordinal IS NULL OR EXISTS (SELECT FROM maestro.steps s WHERE s.org_id = $1 AND s.plan_id = a.run_id AND s.ordinal = a.ordinal ` +
  "AND s.current AND s.state = 'SUCCEEDED' AND s.fencing = a.fencing OFFSET 0))";

/** Exported so that their plans can be looked at. */
export const RUN_ARTIFACTS = {
  add: insertText("run_artifacts", RUN_ARTIFACT_COLUMNS),
  find:
    `SELECT v.place, ${RUN_ARTIFACT_SELECT} FROM unnest($2::uuid[]) WITH ORDINALITY AS v(artifact_id, place) ` +
    "CROSS JOIN LATERAL (SELECT * FROM maestro.run_artifacts x WHERE x.org_id = $1 AND x.artifact_id = v.artifact_id OFFSET 0) a",
  /** Index: run_artifacts_by_time, backwards; its predicate is named, as the others are. */
  list: list("a.created_ms >= 0"),
  /** Index: run_artifacts_by_kind. */
  listOfKind: list("a.kind = $5 AND a.kind >= ''"),
  /** Index: run_artifacts_by_run. */
  listOfRun: list(OF_RUN),
  listOfRunAndKind: list(`${OF_RUN} AND a.kind = $6`),
  standing: list(STANDING),
  judged: list(STANDING, JUDGED_ARTIFACT_SELECT),
} as const;

export function createRunArtifactRepository({ run, send }: Session): RunArtifactRepository {
  return {
    add: async (artifacts) => {
      if (artifacts.length > 0) send(RUN_ARTIFACTS.add, arraysOf(RUN_ARTIFACT_COLUMNS, artifacts));
    },
    find: async (orgId, artifactIds) => {
      if (artifactIds.length === 0) return [];
      const rows = await run<RawRunArtifact & { readonly place: number }>(RUN_ARTIFACTS.find, [
        orgId,
        arrayLiteral("uuid", artifactIds),
      ]);
      const found = new Array<RunArtifact | undefined>(artifactIds.length).fill(undefined);
      for (const raw of rows) found[raw.place - 1] = runArtifactOf(raw);
      return found;
    },
    list: async (orgId, { runId, kind }, page) => {
      const parameters = [orgId, ...below(page), page.limit];
      const rows = await (runId === null
        ? kind === null
          ? run<RawRunArtifact>(RUN_ARTIFACTS.list, parameters)
          : run<RawRunArtifact>(RUN_ARTIFACTS.listOfKind, [...parameters, kind])
        : kind === null
          ? run<RawRunArtifact>(RUN_ARTIFACTS.listOfRun, [...parameters, runId])
          : run<RawRunArtifact>(RUN_ARTIFACTS.listOfRunAndKind, [...parameters, runId, kind]));
      return rows.map(runArtifactOf);
    },
    standing: async (orgId, runId, limit, mostCharacters = Infinity) => {
      const all: RunArtifact[] = [];
      let characters = 0;
      // In pages, so that no turn of the event loop reads all of many.
      for (let after: readonly [number, string] | null = null; all.length < limit;) {
        const wanted = Math.min(PAGE, limit - all.length);
        const at = below({ limit: wanted, after });
        const rows = await run<RawRunArtifact>(RUN_ARTIFACTS.standing, [orgId, ...at, wanted, runId]);
        for (const raw of rows) {
          all.push(runArtifactOf(raw));
          characters += raw.uri.length + raw.additional.length;
        }
        const last = rows.at(-1);
        if (last === undefined || rows.length < wanted || characters > mostCharacters) break;
        after = [last.created_ms, last.artifact_id];
      }
      return all;
    },
    judged: async (orgId, runId, limit) => {
      const all: JudgedArtifact[] = [];
      for (let after: readonly [number, string] | null = null; all.length < limit;) {
        const wanted = Math.min(PAGE, limit - all.length);
        const at = below({ limit: wanted, after });
        const rows = await run<Omit<RawRunArtifact, "additional">>(RUN_ARTIFACTS.judged, [orgId, ...at, wanted, runId]);
        for (const raw of rows) all.push(judgedArtifactOf(raw));
        const last = rows.at(-1);
        if (last === undefined || rows.length < wanted) break;
        after = [last.created_ms, last.artifact_id];
      }
      return all;
    },
  };
}
