// Takes a waiver back; one that was taken back stays as it is. Not here: granting one.
import type { Operation } from "../engine/operation.ts";
import type { WaiverId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import type { Waiver } from "../domain/waiver.ts";
import { journaled, read } from "./done.ts";
import type { Looked } from "./run-name.ts";

export const waiverRevoke: Operation<Looked<WaiverId>, Waiver> = async (tx, { id, text }, context) => {
  const { orgId, name: revokedBy } = context.principal;
  const waiver = id === null ? undefined : await tx.waivers.lock(orgId, id);
  if (waiver === undefined) return notFound("waiver", text);
  if (waiver.revokedMs !== null) return read(waiver);
  const revokedMs = await tx.nowMs();
  await tx.waivers.revoke(orgId, waiver.waiverId, revokedBy, revokedMs);
  return journaled(
    { ...waiver, revokedMs, revokedBy },
    {
      kind: "conductor.waiver.revoke",
      actor: revokedBy,
      body: { waiver: waiver.waiverId, run: waiver.runId, rule: waiver.rule },
    },
  );
};
