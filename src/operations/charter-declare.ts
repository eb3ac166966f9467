// Declares a charter, or a new revision of the one with the same name. The same terms again change nothing.
import type { Operation } from "../engine/operation.ts";
import { canonicalText, digestOfText } from "../domain/canonical.ts";
import { NO_RELEASE_POLICY } from "../domain/charter.ts";
import type { Charter, CharterTerms, ReleasePolicy } from "../domain/charter.ts";
import type { CharterId } from "../domain/id.ts";
import { invalid, refused } from "../domain/refusal.ts";
import type { Violation } from "../domain/refusal.ts";
import { publicKeyProblem } from "../support/public-key.ts";
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
  const wrong = releaseViolations(terms.release);
  if (wrong.length > 0) return invalid(...wrong);
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
  const digest = digestOf(terms);
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

/** Of a charter without a policy of its own as it was when there were none. */
function digestOf({ release, ...terms }: CharterTerms): string {
  const isUsual = canonicalText(release) === canonicalText(NO_RELEASE_POLICY);
  return digestOfText(canonicalText(isUsual ? terms : { ...terms, release }));
}

function releaseViolations({ builders }: ReleasePolicy): readonly Violation[] {
  const found: Violation[] = [];
  const ids = new Set<string>();
  for (const [i, { id, publicKeys }] of builders.entries()) {
    const field = `terms.release.builders[${String(i)}]`;
    if (ids.has(id))
      found.push({
        field: `${field}.id`,
        description: "names a builder a second time",
        rule: "charter.release.builder",
      });
    ids.add(id);
    for (const [k, text] of publicKeys.entries()) {
      const description = publicKeyProblem(text);
      if (description !== undefined)
        found.push({ field: `${field}.public_keys[${String(k)}]`, description, rule: "charter.release.public_key" });
    }
  }
  return found;
}
