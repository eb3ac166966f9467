// Collects what is wrong with a request while it is mapped, so that all of it is said at once; and reads ids, which can be wrong.
import { ID_PREFIX } from "../../domain/id.ts";
import type {
  ApprovalId,
  CharterId,
  ExecutorId,
  GoalId,
  IdKind,
  KeyId,
  OrgId,
  PackId,
  PlanId,
  RecordId,
  RunArtifactId,
  RunId,
  UploadId,
  WaiverId,
  WorkflowId,
} from "../../domain/id.ts";
import { invalid } from "../../domain/refusal.ts";
import type { Decision, Violation } from "../../domain/refusal.ts";
import { typeidOf, uuidOf } from "../../support/typeid.ts";

export interface Problems {
  add(field: string, description: string, rule: string): void;
  /** The mapped value, or a refusal that names every problem. */
  judge<T>(value: T): Decision<T>;
}

export function noProblems(): Problems {
  const violations: Violation[] = [];
  return {
    add: (field, description, rule) => void violations.push({ field, description, rule }),
    judge: (value) => (violations.length === 0 ? { ok: true, value } : invalid(...violations)),
  };
}

interface Ids {
  readonly org: OrgId;
  readonly charter: CharterId;
  readonly goal: GoalId;
  readonly plan: PlanId;
  readonly executor: ExecutorId;
  readonly approval: ApprovalId;
  readonly key: KeyId;
  readonly record: RecordId;
  readonly upload: UploadId;
  readonly run: RunId;
  readonly runArtifact: RunArtifactId;
  readonly pack: PackId;
  readonly workflow: WorkflowId;
  readonly waiver: WaiverId;
}

/** The id in a field; one that is none is a problem, and the value returned is not to be used. */
export function idIn<K extends IdKind>(problems: Problems, field: string, kind: K, text: string): Ids[K] {
  const uuid = uuidOf(text, ID_PREFIX[kind]);
  if (uuid === undefined)
    problems.add(field, `must be the id of a ${kind}, such as ${ID_PREFIX[kind]}_01j…`, `id.${kind}`);
  return (uuid ?? "") as Ids[K];
}

/** As `idIn`, where an empty text means none. */
export function optionalIdIn<K extends IdKind>(
  problems: Problems,
  field: string,
  kind: K,
  text: string,
): Ids[K] | null {
  return text === "" ? null : idIn(problems, field, kind, text);
}

export function idText<K extends IdKind>(kind: K, id: Ids[K]): string {
  return typeidOf(ID_PREFIX[kind], id);
}

/** As `idText`; none is empty. */
export function optionalIdText<K extends IdKind>(kind: K, id: Ids[K] | null): string {
  return id === null ? "" : typeidOf(ID_PREFIX[kind], id);
}

/** A charter's name, or its id in the store's form. */
export function charterNameOrId(text: string): string {
  return uuidOf(text, ID_PREFIX.charter) ?? text;
}
