// The key that an org signs with, made when it is first needed. Not here: what is signed.
import type { OrgId } from "../domain/id.ts";
import type { SigningKey } from "../domain/signing-key.ts";
import type { Tx } from "../store/ports/store.ts";
import { makeSigningKey } from "../support/dsse.ts";

/** The org's newest key. Of several transactions that each make the first one, one prevails, and all are given it. */
export async function ensureSigningKey(tx: Tx, orgId: OrgId): Promise<SigningKey> {
  const createdMs = await tx.nowMs();
  return tx.signingKeys.ensure(orgId, () => ({ orgId, ...makeSigningKey(), createdMs }));
}
