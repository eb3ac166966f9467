// Keys that orgs sign with. Not here: signing.
import type { OrgId } from "../../domain/id.ts";
import type { SigningKey } from "../../domain/signing-key.ts";
import type { SigningKeyRepository } from "../ports/waivers.ts";
import { below } from "./newest-first.ts";
import type { Session } from "./transaction.ts";

const COLUMNS = "key_id, public_pem, private_pem, created_ms";

/** Exported so that their plans can be looked at. */
export const SIGNING_KEYS = {
  add: `INSERT INTO maestro.signing_keys (org_id, ${COLUMNS}) VALUES ($1, $2, $3, $4, $5)`,
  /** Index: the primary key. An org has few. */
  list: `SELECT ${COLUMNS} FROM maestro.signing_keys WHERE org_id = $1 AND (created_ms, key_id) < ($2, $3) ORDER BY created_ms DESC, key_id DESC LIMIT $4`,
} as const;

interface RawKey {
  readonly key_id: string;
  readonly public_pem: string;
  readonly private_pem: string;
  readonly created_ms: number;
}

const keyOf = (orgId: OrgId, raw: RawKey): SigningKey => ({
  orgId,
  keyId: raw.key_id,
  publicPem: raw.public_pem,
  privatePem: raw.private_pem,
  createdMs: raw.created_ms,
});

export function createSigningKeyRepository({ run, send }: Session): SigningKeyRepository {
  const list: SigningKeyRepository["list"] = async (orgId, page) => {
    // Ids of keys are `sha256:…`: before all of them comes a letter that follows.
    const after = page.after === null ? below({ ...page, after: [Number.MAX_SAFE_INTEGER, "t"] }) : below(page);
    const rows = await run<RawKey>(SIGNING_KEYS.list, [orgId, ...after, page.limit]);
    return rows.map((raw) => keyOf(orgId, raw));
  };
  const newest = async (orgId: OrgId): Promise<SigningKey | undefined> =>
    (await list(orgId, { limit: 1, after: null }))[0];
  return {
    ensure: async (orgId, make) => {
      const there = await newest(orgId);
      if (there !== undefined) return there;
      // An advisory lock, because there is no row to lock yet. Read again behind it: somebody may have been first.
      const [, first] = await Promise.all([
        run("SELECT pg_advisory_xact_lock(hashtextextended($1, 3))", [`signing key ${orgId}`]),
        newest(orgId),
      ]);
      if (first !== undefined) return first;
      const made = make();
      send(SIGNING_KEYS.add, [orgId, made.keyId, made.publicPem, made.privatePem, made.createdMs]);
      return made;
    },
    list,
  };
}
