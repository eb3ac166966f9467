// Answers messages that a listener could not even read: the sender is identified first, and what was refused is counted.
import type { DescMethod } from "@bufbuild/protobuf";
import type { Refusal } from "../domain/refusal.ts";
import type { MethodSpec } from "../engine/operation.ts";
import type { Pipeline } from "../engine/pipeline.ts";
import { methodName } from "./operation-table.ts";
import type { CallInfo } from "./route.ts";

export type TurnAway = (method: DescMethod, info: CallInfo, refusal: Refusal) => Promise<Refusal>;

export function createTurnAway(pipeline: Pipeline, table: ReadonlyMap<string, MethodSpec>): TurnAway {
  return async (method, info, refusal) => {
    const spec = table.get(methodName(method));
    if (spec === undefined) return refusal;
    const judged = await pipeline.admit<never>({
      method: spec,
      caller: info.caller,
      keyHeader: "",
      keyField: "",
      decode: () => ({ ok: false, refusal }),
    });
    return judged.ok ? refusal : judged.refusal;
  };
}
