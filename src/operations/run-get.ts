// Returns a run. Calls go together.
import type { GroupOperation } from "../engine/operation.ts";
import { notFound } from "../domain/refusal.ts";
import type { Run } from "../domain/run.ts";
import { read } from "./done.ts";
import { findAll } from "./run-name.ts";
import type { RunName } from "./run-name.ts";

export const runGet: GroupOperation<RunName, Run> = async (tx, calls) => {
  const names = calls.map(({ request }) => request);
  const orgId = calls[0]?.context.principal.orgId;
  const found = await findAll(names, async (ids) => (orgId === undefined ? [] : tx.runs.find(orgId, ids)));
  return names.map(({ text }, i) => {
    const run = found[i];
    return run === undefined ? notFound("run", text) : read(run);
  });
};
