// Charters as messages and back.
import type {
  Charter as WireCharter,
  CharterTerms as WireTerms,
  ReleasePolicy as WireRelease,
} from "../../../gen/maestro/v1/charter_pb.ts";
import { NO_RELEASE_POLICY } from "../../domain/charter.ts";
import type { Charter, CharterTerms, ReleasePolicy } from "../../domain/charter.ts";
import { budgetOf, budgetToWire } from "./amounts.ts";
import { idText } from "./problems.ts";
import { optionalDuration, optionalDurationMs, timestamp } from "./time.ts";
import { gateModes, staleRules } from "./words.ts";

export function termsOf(wire: WireTerms | undefined): CharterTerms {
  return {
    purpose: wire?.purpose ?? "",
    budget: budgetOf(wire?.budget),
    deadlineMs: optionalDurationMs(wire?.deadline),
    minTrust: wire?.minTrust ?? 0,
    ratifyCommits: wire?.approvals?.ratifyCommits ?? false,
    staleRule: staleRules.word(wire?.staleRule ?? 0) ?? "RERUN",
    release: releaseOf(wire?.release),
  };
}

function releaseOf(wire: WireRelease | undefined): ReleasePolicy {
  if (wire === undefined) return NO_RELEASE_POLICY;
  return {
    mode: gateModes.word(wire.mode) ?? "FLAGS",
    builders: wire.builders.map(({ id, publicKeys }) => ({ id, publicKeys })),
    minApprovals: wire.minApprovals,
    requireContent: wire.requireContent,
  };
}

export function charterToWire(charter: Charter): WireCharter {
  const { terms } = charter;
  return {
    $typeName: "maestro.v1.Charter",
    charterId: idText("charter", charter.charterId),
    name: charter.name,
    revision: charter.revision,
    terms: {
      $typeName: "maestro.v1.CharterTerms",
      purpose: terms.purpose,
      budget: budgetToWire(terms.budget, terms.budget.currency),
      deadline: optionalDuration(terms.deadlineMs),
      minTrust: terms.minTrust,
      approvals: { $typeName: "maestro.v1.ApprovalRules", ratifyCommits: terms.ratifyCommits },
      staleRule: staleRules.number(terms.staleRule),
      release: {
        $typeName: "maestro.v1.ReleasePolicy",
        ...terms.release,
        mode: gateModes.number(terms.release.mode),
        builders: terms.release.builders.map(({ id, publicKeys }) => ({
          $typeName: "maestro.v1.TrustedBuilder",
          id,
          publicKeys: [...publicKeys],
        })),
      },
    },
    digest: charter.digest,
    declaredAt: timestamp(charter.declaredMs),
    declaredBy: charter.declaredBy,
  };
}
