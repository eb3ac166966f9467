// Lists charters at their newest revisions, by name.
import type { Operation } from "../engine/operation.ts";
import type { Charter } from "../domain/charter.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface CharterListRequest {
  readonly page: PageRequest;
}

export const charterList: Operation<CharterListRequest, Page<Charter>> = async (tx, { page }, context) => {
  const charters = await tx.charters.list(context.principal.orgId, oneMore(page));
  return read(pageOf(charters, page, (charter) => [charter.name]));
};
