// Charters as messages and back.
import type { Charter as WireCharter, CharterTerms as WireTerms } from "../../../gen/maestro/v1/charter_pb.ts";
import type { Charter, CharterTerms } from "../../domain/charter.ts";
import { budgetOf, budgetToWire } from "./amounts.ts";
import { idText } from "./problems.ts";
import { optionalDuration, optionalDurationMs, timestamp } from "./time.ts";
import { staleRules } from "./words.ts";

export function termsOf(wire: WireTerms | undefined): CharterTerms {
  return {
    purpose: wire?.purpose ?? "",
    budget: budgetOf(wire?.budget),
    deadlineMs: optionalDurationMs(wire?.deadline),
    minTrust: wire?.minTrust ?? 0,
    ratifyCommits: wire?.approvals?.ratifyCommits ?? false,
    staleRule: staleRules.word(wire?.staleRule ?? 0) ?? "RERUN",
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
    },
    digest: charter.digest,
    declaredAt: timestamp(charter.declaredMs),
    declaredBy: charter.declaredBy,
  };
}
