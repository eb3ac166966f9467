// Charters and their revisions. Not here: what their terms mean.
import { and, asc, eq, gt } from "drizzle-orm";
import { NO_RELEASE_POLICY } from "../../domain/charter.ts";
import type { Charter, CharterTerms } from "../../domain/charter.ts";
import type { OrgId } from "../../domain/id.ts";
import type { CharterRepository } from "../ports/charters.ts";
import { charters } from "./schema/charters.ts";
import type { Session } from "./transaction.ts";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

const FIND =
  "SELECT charter_id, name, revision, terms, digest, declared_ms, declared_by FROM maestro.charters WHERE org_id = $1";
const OF_GOAL =
  "SELECT c.charter_id, c.name, c.revision, c.terms, c.digest, c.declared_ms, c.declared_by FROM maestro.goals g " +
  "JOIN maestro.charters c ON c.org_id = g.org_id AND c.charter_id = g.charter_id AND c.revision = g.charter_revision WHERE g.org_id = $1 AND g.plan_id = $2";

interface RawCharter {
  readonly charter_id: string;
  readonly name: string;
  readonly revision: number;
  readonly terms: string;
  readonly digest: string;
  readonly declared_ms: number;
  readonly declared_by: string;
}

function charterOf(row: Omit<typeof charters.$inferSelect, "newest">): Charter {
  const { orgId, charterId, name, revision, terms, digest, declaredMs, declaredBy } = row;
  // Charters that were declared before there were policies have none.
  const said = JSON.parse(terms) as Omit<CharterTerms, "release"> & Partial<CharterTerms>;
  return {
    orgId,
    charterId,
    name,
    revision,
    terms: { release: NO_RELEASE_POLICY, ...said },
    digest,
    declaredMs,
    declaredBy,
  };
}

function rawCharterOf(orgId: OrgId, row: RawCharter | undefined): Charter | undefined {
  return row === undefined
    ? undefined
    : charterOf({
        orgId,
        charterId: row.charter_id as Charter["charterId"],
        name: row.name,
        revision: row.revision,
        terms: row.terms,
        digest: row.digest,
        declaredMs: row.declared_ms,
        declaredBy: row.declared_by,
      });
}

export function createCharterRepository(session: Session): CharterRepository {
  const { run } = session;
  const newestByName = async (orgId: OrgId, name: string): Promise<Charter | undefined> => {
    const [row] = await session.db
      .select()
      .from(charters)
      .where(and(eq(charters.orgId, orgId), eq(charters.name, name), charters.newest));
    return row === undefined ? undefined : charterOf(row);
  };
  return {
    find: async (orgId, nameOrId, revision) => {
      // Every new plan asks for its charter: the builder would cost it as much as the round trip.
      const named = UUID.test(nameOrId) ? "charter_id = $2::uuid" : "name = $2";
      const [row] = await run<RawCharter>(
        `${FIND} AND ${named} AND ${revision === undefined ? "newest" : "revision = $3"}`,
        revision === undefined ? [orgId, nameOrId] : [orgId, nameOrId, revision],
      );
      return rawCharterOf(orgId, row);
    },
    ofGoal: async (orgId, planId) => {
      const [row] = await run<RawCharter>(OF_GOAL, [orgId, planId]);
      return rawCharterOf(orgId, row);
    },
    lockByName: async (orgId, name) => {
      // An advisory lock, because there may be no row to lock yet. Read in a statement of its own: one that waits for a lock
      // returns rows from before the wait.
      await run("SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", [`charter ${orgId} ${name}`]);
      return newestByName(orgId, name);
    },
    add: async (charter) => {
      // Two statements in order: the unique index allows one newest revision of a name.
      await session.db
        .update(charters)
        .set({ newest: false })
        .where(and(eq(charters.orgId, charter.orgId), eq(charters.name, charter.name), charters.newest));
      await session.db.insert(charters).values({ ...charter, terms: JSON.stringify(charter.terms), newest: true });
    },
    list: async (orgId, page) => {
      const [name] = (page.after ?? []) as [string?];
      const rows = await session.db
        .select()
        .from(charters)
        .where(
          and(eq(charters.orgId, orgId), charters.newest, name === undefined ? undefined : gt(charters.name, name)),
        )
        .orderBy(asc(charters.name))
        .limit(page.limit);
      return rows.map(charterOf);
    },
  };
}
