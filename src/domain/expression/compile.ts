// Compiled expressions, kept while they are used. Not here: what they are evaluated against, see evaluate.ts.
import { plan } from "@bufbuild/cel";
import { APPEND, environment, parseExpression, ROUND, walk } from "./language.ts";
import type { Node } from "./language.ts";
import { constantPath } from "./references.ts";
import { Recent } from "./recent.ts";

type Evaluator = ReturnType<typeof plan>;

export type Compiled =
  /** A plain path: looked up without CEL, which most references are and which costs a hundredth. */
  | { readonly kind: "path"; readonly names: readonly string[] }
  | { readonly kind: "cel"; readonly run: Evaluator }
  | { readonly kind: "broken"; readonly problem: string };

const compiled = new Recent<Compiled>(1_000);

export function compile(text: string): Compiled {
  return compiled.get(text, make);
}

function make(text: string): Compiled {
  const parsed = parseExpression(text);
  if (!parsed.ok) return { kind: "broken", problem: parsed.problem };
  const path = constantPath(parsed.parsed.expr);
  if (path !== null && !path.test) return { kind: "path", names: path.names };
  boundRounds(parsed.parsed.expr);
  try {
    return { kind: "cel", run: plan(environment, parsed.parsed) };
  } catch {
    return { kind: "broken", problem: "cannot be compiled" };
  }
}

/**
 * Bounds what comprehensions cost: every round is counted (its condition c becomes `@round() ? c : false`), and
 * `@result + [item]` becomes `@append(@result, item)`.
 */
function boundRounds(root: Node): void {
  const nodes: Node[] = [];
  walk(root, (node) => nodes.push(node) > 0);
  for (const { id, exprKind } of nodes) {
    if (exprKind.case === "callExpr" && exprKind.value.function === "_+_") {
      const [result, list] = exprKind.value.args;
      const [item, ...more] = list?.exprKind.case === "listExpr" ? list.exprKind.value.elements : [];
      if (result === undefined || item === undefined || more.length > 0) continue;
      if (result.exprKind.case !== "identExpr" || result.exprKind.value.name !== "@result") continue;
      exprKind.value.function = APPEND;
      exprKind.value.args = [result, item];
    } else if (exprKind.case === "comprehensionExpr") {
      const { loopCondition } = exprKind.value;
      if (loopCondition === undefined) continue;
      const otherwise = node(id, {
        case: "constExpr",
        value: { $typeName: "cel.expr.Constant", constantKind: { case: "boolValue", value: false } },
      });
      exprKind.value.loopCondition = call(id, "_?_:_", [call(id, ROUND, []), loopCondition, otherwise]);
    }
  }
}

function call(id: bigint, name: string, args: Node[]): Node {
  return node(id, { case: "callExpr", value: { $typeName: "cel.expr.Expr.Call", function: name, args } });
}

function node(id: bigint, exprKind: Node["exprKind"]): Node {
  return { $typeName: "cel.expr.Expr", id, exprKind };
}
