// Disclosure packs. Not here: the archives that are made of them.
import type { DisclosurePack } from "../../domain/disclosure-pack.ts";
import type { OrgId, PackId, RunArtifactId, RunId } from "../../domain/id.ts";
import type { DisclosurePackRepository } from "../ports/disclosure-packs.ts";
import { below, OF_A_RUN } from "./newest-first.ts";
import type { Session } from "./transaction.ts";

const COLUMNS = "pack_id, run_id, summary, artifact_ids, redactions, digest, created_ms, created_by";
const SELECT = `SELECT ${COLUMNS} FROM maestro.disclosure_packs WHERE org_id = $1`;
const list = (where: string): string =>
  `${SELECT} AND ${where} AND (created_ms, pack_id) < ($2, $3) ORDER BY created_ms DESC, pack_id DESC LIMIT $4`;

/** Exported so that their plans can be looked at. */
export const DISCLOSURE_PACKS = {
  /** The unique index over the run's digests says whether it is there; whoever adds the same waits for the other's end. */
  add: `INSERT INTO maestro.disclosure_packs (org_id, ${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (org_id, run_id, digest) DO NOTHING RETURNING 1`,
  find: `${SELECT} AND pack_id = $2`,
  /** Index: disclosure_packs_by_time, backwards; its predicate is named. */
  list: list("created_ms >= 0"),
  /** Index: disclosure_packs_by_run. */
  listOfRun: list(`run_id = $5 AND ${OF_A_RUN}`),
} as const;

interface RawPack {
  readonly pack_id: string;
  readonly run_id: string;
  readonly summary: string;
  readonly artifact_ids: string;
  readonly redactions: string;
  readonly digest: string;
  readonly created_ms: number;
  readonly created_by: string;
}

const packOf = (orgId: OrgId, raw: RawPack): DisclosurePack => ({
  orgId,
  packId: raw.pack_id as PackId,
  runId: raw.run_id as RunId,
  summary: raw.summary,
  artifactIds: JSON.parse(raw.artifact_ids) as readonly RunArtifactId[],
  redactions: JSON.parse(raw.redactions) as readonly string[],
  digest: raw.digest,
  createdMs: raw.created_ms,
  createdBy: raw.created_by,
});

export function createDisclosurePackRepository({ run }: Session): DisclosurePackRepository {
  const read = async (orgId: OrgId, text: string, parameters: readonly unknown[]): Promise<readonly DisclosurePack[]> =>
    (await run<RawPack>(text, [orgId, ...parameters])).map((raw) => packOf(orgId, raw));
  return {
    add: async ({ orgId, packId, runId, summary, artifactIds, redactions, digest, createdMs, createdBy }) => {
      const lists = [JSON.stringify(artifactIds), JSON.stringify(redactions)];
      const values = [orgId, packId, runId, summary, ...lists, digest, createdMs, createdBy];
      return (await run(DISCLOSURE_PACKS.add, values)).length === 1;
    },
    find: async (orgId, packId) => (await read(orgId, DISCLOSURE_PACKS.find, [packId]))[0],
    newest: async (orgId, runId) => {
      const first = { limit: 1, after: null };
      return (await read(orgId, DISCLOSURE_PACKS.listOfRun, [...below(first), first.limit, runId]))[0];
    },
    list: (orgId, { runId }, page) => {
      const parameters = [...below(page), page.limit];
      return runId === null
        ? read(orgId, DISCLOSURE_PACKS.list, parameters)
        : read(orgId, DISCLOSURE_PACKS.listOfRun, [...parameters, runId]);
    },
  };
}
