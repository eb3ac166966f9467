// Lists the public halves of an org's signing keys, newest first.
import type { Operation } from "../engine/operation.ts";
import type { SigningKey } from "../domain/signing-key.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface SigningKeyListRequest {
  readonly page: PageRequest;
}

/** The private half stays where it is. */
export type PublicSigningKey = Omit<SigningKey, "privatePem">;

export const signingKeyList: Operation<SigningKeyListRequest, Page<PublicSigningKey>> = async (
  tx,
  { page },
  context,
) => {
  const found = await tx.signingKeys.list(context.principal.orgId, oneMore(page));
  const keys = found.map(({ orgId, keyId, publicPem, createdMs }) => ({ orgId, keyId, publicPem, createdMs }));
  return read(pageOf(keys, page, ({ createdMs, keyId }) => [createdMs, keyId]));
};
