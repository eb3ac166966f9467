// Declares a charter, or a new revision of the one with the same name. The same terms again change nothing.
import type { Operation } from "../engine/operation.ts";
import { canonicalText, digestOfText } from "../domain/canonical.ts";
import type { Charter, CharterTerms } from "../domain/charter.ts";
import type { CharterId } from "../domain/id.ts";
import { invalid, refused } from "../domain/refusal.ts";
import { journaled, read } from "./done.ts";

export interface CharterDeclareRequest {
  readonly name: string;
  readonly terms: CharterTerms;
  /** Zero for no check. */
  readonly expectedRevision: number;
}
export interface CharterDeclareResponse {
  readonly charter: Charter;
  readonly changed: boolean;
}

export const charterDeclare: Operation<CharterDeclareRequest, CharterDeclareResponse> = async (
  tx,
  { name, terms, expectedRevision },
  context,
) => {
  const { orgId, name: actor } = context.principal;
  const { budget } = terms;
  if (budget.moneyMicros !== null && budget.currency === "") {
    return invalid({
      field: "terms.budget.currency",
      description: "must be given when money is limited",
      rule: "charter.budget.currency",
    });
  }
  const newest = await tx.charters.lockByName(orgId, name);
  const revision = newest?.revision ?? 0;
  if (expectedRevision !== 0 && expectedRevision !== revision) {
    return refused(
      "VERSION_CONFLICT",
      `The newest revision of charter ${name} is ${String(revision)}, not ${String(expectedRevision)}.`,
      {
        rule: "charter.revision",
        metadata: { expected: String(expectedRevision), actual: String(revision) },
        remedy: "Read the charter, and declare against its newest revision.",
      },
    );
  }
  const digest = digestOfText(canonicalText(terms));
  if (newest?.digest === digest) return read({ charter: newest, changed: false });
  const charter: Charter = {
    orgId,
    charterId: newest?.charterId ?? (context.ids.uuid() as CharterId),
    name,
    revision: revision + 1,
    terms,
    digest,
    declaredMs: await tx.nowMs(),
    declaredBy: actor,
  };
  await tx.charters.add(charter);
  return journaled(
    { charter, changed: true },
    {
      kind: "charter.declare",
      actor,
      body: { charter: charter.charterId, name, revision: charter.revision, digest, terms },
    },
  );
};
