// The records of a run's plan in an exported pack, in order and without a gap. Not here: what a line is, see
// domain/release/pack-record.ts.
import { packRecord, withholding } from "../domain/release/pack-record.ts";
import type { TarFile } from "../support/tar.ts";
import type { PackMoment, PackSource } from "./pack-source.ts";
import { lines } from "./pack-lines.ts";
import { idWord } from "./pack-words.ts";

/** Read at a time. */
const PAGE = 200;

export function recordsIn({ orgId, read, signal }: PackSource, { run, pack, lastRecord }: PackMoment) {
  const isWithheld = withholding(pack.redactions);
  let withheldBodies = 0;
  let lastLeaf: string | null = null;

  async function* all() {
    const { planId } = run;
    if (planId === null || lastRecord === null) return;
    for (let after = 0; after < lastRecord;) {
      signal.throwIfAborted();
      const from = after;
      const page = await read((tx) => tx.records.ofPlan(orgId, planId, from, Math.min(PAGE, lastRecord - from)));
      if (page.length === 0) throw new Error(`records of ${planId} end at ${String(from)} of ${String(lastRecord)}`);
      for (const record of page) {
        const withheld = isWithheld(record.kind);
        if (withheld) withheldBodies += 1;
        after = record.seq;
        lastLeaf = record.leaf;
        yield packRecord(record, idWord("record", record.recordId), withheld);
      }
    }
  }

  return {
    files: (): AsyncGenerator<TarFile> => lines("records", all()),
    /** Once all files were taken. */
    summary: () =>
      lastRecord === null
        ? {
            kind: "told",
            count: 0,
            explanation: "The run is told of: it has no plan, and so no records of one.",
          }
        : {
            kind: "plan",
            // As headers have them: not in the form of the wire.
            org: run.orgId,
            stream: run.planId,
            count: lastRecord,
            withheld_bodies: withheldBodies,
            last_leaf: lastLeaf,
          },
  };
}
