// What `apply --dry-run` says of a charter: how a file would change it, and, of one that is not there yet, what the file alone
// says, for a server judges steps under charters only. Not here: versions of goals, see refine.ts and patch.ts.
import { createHash } from "node:crypto";
import { GateMode, StaleRule } from "../../gen/maestro/v1/charter_pb.ts";
import type { Charter, CharterTerms, ReleasePolicy } from "../../gen/maestro/v1/charter_pb.ts";
import { counted } from "../support/counted.ts";
import type { ServerClient } from "./client.ts";
import { edgesOf } from "./plan-file/check.ts";
import type { Requests } from "./plan-file/requests.ts";
import { performerOf } from "./refine.ts";
import { table } from "./table.ts";
import { budgetText, msOf, spanText } from "./words.ts";

const MOST_ROWS = 60;

/** The charter of that name, looked for where nobody is refused, and no refusal recorded. */
export async function findCharter(
  client: ServerClient,
  name: string,
  signal: AbortSignal,
): Promise<Charter | undefined> {
  for (let pageToken = ""; ;) {
    const page = await client.charters.listCharters({ pageSize: 1000, pageToken }, { signal });
    const found = page.charters.find((charter) => charter.name === name);
    pageToken = page.nextPageToken;
    if (found !== undefined || pageToken === "") return found;
  }
}

/** A line for each term that the file would change. */
export function changedTerms(before: CharterTerms | undefined, after: CharterTerms): string[] {
  const old = before === undefined ? [] : termsText(before);
  return termsText(after).flatMap(([name, value], i) => {
    const was = old[i]?.[1] ?? "";
    return was === value ? [] : [`${name}: ${was === "" ? "—" : was} → ${value === "" ? "—" : value}`];
  });
}

function termsText(terms: CharterTerms): (readonly [string, string])[] {
  const { purpose, budget, deadline, minTrust, approvals, staleRule, release } = terms;
  const limits = budget === undefined ? "" : budgetText(budget);
  return [
    ["purpose", purpose],
    ["deadline", deadline === undefined ? "" : spanText(msOf(deadline))],
    ["budget", limits === "not limited" ? "" : limits],
    ["min_trust", minTrust === 0 ? "" : String(minTrust)],
    ["ratify_commits", approvals?.ratifyCommits === true ? "yes" : ""],
    ["stale_rule", staleRule === StaleRule.KEEP ? "keep" : ""],
    ["release", release === undefined ? "" : releaseText(release)],
  ];
}

function releaseText({ mode, builders, minApprovals, requireContent }: ReleasePolicy): string {
  // Keys are told by their digests: a text may be the same as another one, and a table has no room for either.
  const named = builders.map(({ id, publicKeys }) => `${id} (${publicKeys.map(keyText).join(", ")})`);
  return [
    mode === GateMode.VERIFIED ? "verified" : "",
    named.length === 0 ? "" : `builders ${named.join(", ")}`,
    minApprovals === 0 ? "" : counted(minApprovals, "approval"),
    requireContent ? "with content" : "",
  ]
    .filter((text) => text !== "")
    .join("; ");
}

function keyText(pem: string): string {
  return `sha256:${createHash("sha256").update(pem.trim()).digest("hex").slice(0, 12)}`;
}

/** The file's steps, in its order, without what only a server knows. */
export function fileTable(requests: Requests, columns: number): string {
  const { edges } = edgesOf(requests);
  const needs = new Map<string, string[]>();
  for (const { from, to } of edges) {
    const list = needs.get(to);
    if (list === undefined) needs.set(to, [from]);
    else list.push(from);
  }
  const { steps } = requests;
  const rows = steps
    .slice(0, MOST_ROWS)
    .map(({ key, kind, estimate }) => [
      key,
      performerOf(kind),
      spanText(msOf(estimate?.likely)),
      (needs.get(key) ?? []).join(", "),
    ]);
  const more = steps.length > rows.length ? [`… and ${counted(steps.length - rows.length, "more step")}`] : [];
  const head = ["STEP", "NEEDS EXECUTOR FOR", "EXPECTED", "AFTER"];
  const found = `${counted(steps.length, "step")}, ${counted(edges.length, "edge")}`;
  return [table(head, rows, columns), ...more, found].join("\n");
}
