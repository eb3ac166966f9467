// Names of runs, artifacts, packs, waivers and workflows, for completion. Not here: when they are asked for, see names.ts.
import { ArtifactKindSchema } from "../../../gen/maestro/conductor/v1/artifact_pb.ts";
import { RunStatusSchema } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import { word } from "../words.ts";
import type { Candidate, Source } from "./complete.ts";

const MOST = 200;

/** By names that only one has, where that says more than their goals' names do; ids are for who has begun to type one. */
export const runs: Source = async (client, { typed }, signal): Promise<Candidate[]> => {
  const { runs: newest } = await client.conductor.listRuns({ pageSize: MOST }, { signal });
  const ids = /^run?_?/.test(typed) ? newest.map(({ id, name }) => ({ value: id, note: name })) : [];
  const counts = new Map<string, number>();
  for (const { name } of newest) counts.set(name, (counts.get(name) ?? 0) + 1);
  const named = newest.filter(({ name }) => name !== "" && counts.get(name) === 1);
  return [...named.map(({ name, status }) => ({ value: name, note: word(RunStatusSchema, status) })), ...ids];
};

export const RELEASE_SOURCES: Readonly<Record<string, Source>> = {
  artifact: async (client, _wanted, signal) => {
    const { artifacts } = await client.conductor.listArtifacts({ pageSize: MOST }, { signal });
    return artifacts.map(({ id, kind, pathOrUri }) => ({
      value: id,
      note: `${word(ArtifactKindSchema, kind)} ${pathOrUri}`,
    }));
  },
  pack: async (client, _wanted, signal) => {
    const { disclosurePacks } = await client.conductor.listDisclosurePacks({ pageSize: MOST }, { signal });
    return disclosurePacks.map(({ id, summary }) => ({ value: id, note: summary }));
  },
  waiver: async (client, _wanted, signal) => {
    const { waivers } = await client.conductor.listWaivers({ pageSize: MOST }, { signal });
    return waivers
      .filter(({ revokedAt }) => revokedAt === undefined)
      .map(({ id, rule, runId }) => ({ value: id, note: `${rule} of ${runId}` }));
  },
  workflow: async (client, _wanted, signal) => {
    const { workflows } = await client.conductor.listWorkflows({ pageSize: MOST }, { signal });
    return workflows.map(({ id, name }) => ({ value: id, note: name }));
  },
};
