// Differences between graph versions as messages.
import type { DiffSummary as WireSummary, StepDifference as WireDifference } from "../../../gen/maestro/v1/graph_pb.ts";
import type { DiffSummary, StepDifference } from "../../domain/graph/diff.ts";
import { amountsToWire } from "./amounts.ts";
import { duration } from "./time.ts";
import { stepFates } from "./words.ts";

export function diffSummaryToWire(summary: DiffSummary): WireSummary {
  const {
    makespanBeforeMs,
    makespanAfterMs,
    worstCaseBefore,
    worstCaseAfter,
    criticalPathBefore,
    criticalPathAfter,
    ...counts
  } = summary;
  return {
    $typeName: "maestro.v1.DiffSummary",
    ...counts,
    makespanBefore: duration(makespanBeforeMs),
    makespanAfter: duration(makespanAfterMs),
    worstCaseBefore: amountsToWire(worstCaseBefore),
    worstCaseAfter: amountsToWire(worstCaseAfter),
    criticalPathBefore: [...criticalPathBefore],
    criticalPathAfter: [...criticalPathAfter],
  };
}

export function stepDifferenceToWire({ key, fields, fate }: StepDifference): WireDifference {
  return {
    $typeName: "maestro.v1.StepDifference",
    key,
    fields: fields.map(({ path, beforeJson, afterJson }) => ({
      $typeName: "maestro.v1.FieldDifference",
      path,
      beforeJson,
      afterJson,
    })),
    fate: stepFates.number(fate),
  };
}

/** Differences that together stay below so many characters; the rest is told by DiffGraphs, page by page. */
export function fittingDifferences(
  differences: readonly StepDifference[],
  limit = 1_000_000,
): readonly StepDifference[] {
  let size = 0;
  return differences.filter(({ key, fields }) => {
    size +=
      key.length + fields.reduce((sum, { beforeJson, afterJson }) => sum + beforeJson.length + afterJson.length, 0);
    return size <= limit;
  });
}
