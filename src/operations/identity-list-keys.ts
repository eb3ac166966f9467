// Lists API keys, newest first, without their secrets.
import type { Operation } from "../engine/operation.ts";
import type { ApiKey } from "../domain/principal.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface IdentityListKeysRequest {
  readonly page: PageRequest;
}

export const identityListKeys: Operation<IdentityListKeysRequest, Page<ApiKey>> = async (tx, { page }, context) => {
  const keys = await tx.identity.listKeys(context.principal.orgId, oneMore(page));
  return read(pageOf(keys, page, (key) => [key.createdMs, key.keyId]));
};
