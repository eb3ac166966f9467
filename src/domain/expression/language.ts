// CEL as expressions and filters see it: parsing under bounds, the environment, walking a tree. Not here: which names an
// expression may use (references.ts) and its evaluation (evaluate.ts).
import { celEnv, celFunc, celList, CelScalar, listType, parse } from "@bufbuild/cel";
import type { CelEnv, CelFunc, CelInput, CelList } from "@bufbuild/cel";

export type ParsedExpression = ReturnType<typeof parse>;
/** A node of the parsed tree. */
export type Node = ParsedExpression["expr"];

/** Longest expression, in characters. */
export const EXPRESSION_LIMIT = 4_096;
/** Deepest brackets: the parser descends on the call stack, a few hundred deep it would run out. */
const BRACKETS_LIMIT = 64;
/** Rounds of all comprehensions of one evaluation, about 20 ms: `map` inside `map` over long lists must not hold the thread. */
export const ROUNDS_LIMIT = 10_000;

export type Parsed =
  | { readonly ok: true; readonly parsed: ParsedExpression }
  | { readonly ok: false; readonly problem: string; readonly position: number };

/** Parses CEL text. Never throws; positions count UTF-16 units from 0. */
export function parseExpression(text: string): Parsed {
  if (text.trim() === "") return { ok: false, problem: "is empty", position: 0 };
  if (text.length > EXPRESSION_LIMIT) {
    return { ok: false, problem: `is longer than ${EXPRESSION_LIMIT} characters`, position: EXPRESSION_LIMIT };
  }
  const deep = deepBracket(text);
  if (deep >= 0) return { ok: false, problem: `nests deeper than ${BRACKETS_LIMIT} brackets`, position: deep };
  try {
    return { ok: true, parsed: parse(text) };
  } catch (error) {
    if (error instanceof RangeError) return { ok: false, problem: "nests too deeply", position: 0 };
    const position = offsetOf(error);
    return { ok: false, problem: `is not CEL: unexpected ${here(text, position)}`, position };
  }
}

/** Where a node stands in its text; 0 when the parser does not say. */
export function positionOf(parsed: ParsedExpression, node: Node): number {
  return parsed.sourceInfo?.positions[String(node.id)] ?? 0;
}

/** Calls `visit` for every node, a parent before its children; `visit` may return false to leave the children out. */
export function walk(root: Node, visit: (node: Node, bound: readonly string[]) => boolean): void {
  const open: { readonly node: Node; readonly bound: readonly string[] }[] = [{ node: root, bound: [] }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (!visit(next.node, next.bound)) continue;
    for (const child of childrenOf(next.node)) {
      open.push({ node: child.node, bound: child.binds.length === 0 ? next.bound : [...next.bound, ...child.binds] });
    }
  }
}

interface Child {
  readonly node: Node;
  /** Names that a comprehension binds inside. */
  readonly binds: readonly string[];
}

function childrenOf(node: Node): readonly Child[] {
  const children: Child[] = [];
  const add = (child: Node | undefined, binds: readonly string[] = []): void => {
    if (child !== undefined) children.push({ node: child, binds });
  };
  const kind = node.exprKind;
  switch (kind.case) {
    case "selectExpr":
      add(kind.value.operand);
      break;
    case "callExpr":
      add(kind.value.target);
      for (const argument of kind.value.args) add(argument);
      break;
    case "listExpr":
      for (const element of kind.value.elements) add(element);
      break;
    case "structExpr":
      for (const entry of kind.value.entries) {
        if (entry.keyKind.case === "mapKey") add(entry.keyKind.value);
        add(entry.value);
      }
      break;
    case "comprehensionExpr": {
      const { accuVar, iterVar, iterVar2 } = kind.value;
      const bound = [accuVar, iterVar, iterVar2].filter((name) => name !== "");
      add(kind.value.iterRange);
      add(kind.value.accuInit);
      add(kind.value.loopCondition, bound);
      add(kind.value.loopStep, bound);
      add(kind.value.result, bound);
      break;
    }
    case "constExpr":
    case "identExpr":
    case undefined:
      break;
  }
  return children;
}

/** Offset of the first bracket that is too deep; −1 for none. Brackets inside of text count as well: they are cheap to avoid. */
function deepBracket(text: string): number {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const letter = text.charAt(i);
    if (letter === "(" || letter === "[" || letter === "{") {
      if (++depth > BRACKETS_LIMIT) return i;
    } else if (letter === ")" || letter === "]" || letter === "}") depth--;
  }
  return -1;
}

function offsetOf(error: unknown): number {
  const location = (error as { readonly location?: { readonly start?: { readonly offset?: number } } }).location;
  return location?.start?.offset ?? 0;
}

function here(text: string, position: number): string {
  const rest = text.slice(position, position + 20).trim();
  return rest === "" ? "end" : JSON.stringify(rest);
}

const { INT, DOUBLE, BOOL, DYN } = CelScalar;

/** JSON has one kind of number: whole ones are int in CEL, others double. These let `count * 1.5` be what it looks like. */
function mixed(name: string, operate: (a: number, b: number) => number): readonly CelFunc[] {
  return [
    celFunc(name, [INT, DOUBLE], DOUBLE, (a, b) => operate(Number(a), b)),
    celFunc(name, [DOUBLE, INT], DOUBLE, (a, b) => operate(a, Number(b))),
  ];
}

/** Name of the function that counts rounds; no expression can write it. */
export const ROUND = "@round";
let rounds = 0;

/** Starts counting the rounds of an evaluation. Evaluations are synchronous, so one counter serves all. */
export function beginRounds(): void {
  rounds = 0;
}

/**
 * Name of the function that adds an item to the list which `map` and `filter` build; no expression can write it. The
 * library joins lists into a chain, which takes 150 ms to read at 3,000 items and overflows the stack at 5,000.
 */
export const APPEND = "@append";
const building = new WeakMap<CelList, CelInput[]>();

/** Nobody but the comprehension itself sees the shorter lists, so they may all share one array. */
function append(list: CelList, item: CelInput): CelList {
  const items = building.get(list) ?? [...list];
  items.push(item);
  const longer = celList(items);
  building.set(longer, items);
  return longer;
}

export const environment: CelEnv = celEnv({
  funcs: [
    ...mixed("_+_", (a, b) => a + b),
    ...mixed("_-_", (a, b) => a - b),
    ...mixed("_*_", (a, b) => a * b),
    ...mixed("_/_", (a, b) => a / b),
    celFunc(ROUND, [], BOOL, () => {
      if (++rounds > ROUNDS_LIMIT) throw new Error(`takes more than ${ROUNDS_LIMIT} rounds`);
      return true;
    }),
    celFunc(APPEND, [listType(DYN), DYN], listType(DYN), append),
  ],
});
