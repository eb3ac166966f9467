// Constants in filters: literals and `timestamp("…")`. Not here: where they may stand, see parse.ts.
import { isCelError, plan } from "@bufbuild/cel";
import { environment } from "../expression/language.ts";
import type { Node } from "../expression/language.ts";
import type { FilterValue } from "./filter.ts";

/** The value of a constant; null when the node is none. */
export function constantOf(node: Node): FilterValue | { readonly kind: "null" } | null {
  const kind = node.exprKind;
  if (kind.case === "callExpr")
    return kind.value.function === "timestamp" && kind.value.target === undefined
      ? timeOf(node, kind.value.args)
      : null;
  if (kind.case !== "constExpr") return null;
  const constant = kind.value.constantKind;
  switch (constant.case) {
    case "nullValue":
      return { kind: "null" };
    case "boolValue":
      return { kind: "flag", value: constant.value };
    case "stringValue":
      // No stored text holds a NUL, and the store could not be asked for one.
      return constant.value.includes("\0") || !constant.value.isWellFormed()
        ? null
        : { kind: "text", value: constant.value };
    case "int64Value":
    case "uint64Value":
    case "doubleValue": {
      const value = Number(constant.value);
      return Math.abs(value) <= Number.MAX_SAFE_INTEGER || constant.case === "doubleValue"
        ? { kind: "number", value }
        : null;
    }
    default:
      return null;
  }
}

/** RFC 3339 text in `timestamp("…")`, cut to milliseconds. */
function timeOf(node: Node, args: readonly Node[]): FilterValue | null {
  const [text] = args;
  if (
    args.length !== 1 ||
    text?.exprKind.case !== "constExpr" ||
    text.exprKind.value.constantKind.case !== "stringValue"
  )
    return null;
  const result = plan(environment, node)();
  if (isCelError(result) || typeof result !== "object" || result === null || !("message" in result)) return null;
  const { seconds, nanos } = result.message as unknown as { readonly seconds: bigint; readonly nanos: number };
  return { kind: "time", value: Number(seconds) * 1_000 + Math.floor(nanos / 1_000_000) };
}
