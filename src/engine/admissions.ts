// Refusals before any decision (bad shape, unknown caller, missing grant, overload): counted in memory, one bounded record per second and kind.
// Nobody can make the server write as fast as they call.
import type { OrgId, SessionId } from "../domain/id.ts";
import type { RecordDraft } from "../domain/record.ts";
import type { Refusal, RefusalReason, Stage } from "../domain/refusal.ts";
import type { Store } from "../store/ports/store.ts";

/** Kinds kept apart in one second; what exceeds them is counted together. */
const KINDS = 256;

const COUNTED_STAGES: ReadonlySet<Stage> = new Set(["DECODE", "IDENTIFY", "AUTHORIZE"]);
const COUNTED_REASONS: ReadonlySet<RefusalReason> = new Set(["OVERLOADED", "UNAVAILABLE", "DRAINING"]);

/** Whether a refusal is counted instead of recorded, whichever stage gave it: an operation may find a bad shape, or be overloaded, too. */
export function isCounted({ stage, reason }: Refusal): boolean {
  return COUNTED_STAGES.has(stage) || COUNTED_REASONS.has(reason);
}

interface Counted {
  readonly orgId: OrgId;
  readonly actor: string;
  readonly reason: string;
  readonly stage: string;
  readonly rule: string;
  readonly operation: string;
  count: number;
}

export interface Admissions {
  /** Counts a refusal against a principal of an org, or an address of which no org is known. */
  count(
    who: { readonly orgId: OrgId; readonly name: string } | { readonly address: string },
    operation: string,
    refusal: Refusal,
  ): void;
  /** Writes what was counted; at most one caller at a time. What cannot be written stays counted. */
  flush(): Promise<void>;
}

/** `platformOrg` takes the records of callers that nobody knows. */
export function createAdmissions(store: Store, sessionId: () => SessionId, platformOrg: OrgId): Admissions {
  let counts = new Map<string, Counted>();

  function add(entry: Omit<Counted, "count">, by: number): void {
    const full = counts.size >= KINDS;
    const name = JSON.stringify([entry.orgId, entry.actor, entry.reason, entry.rule, entry.operation]);
    const known = counts.get(name);
    if (known !== undefined) known.count += by;
    else if (!full) counts.set(name, { ...entry, count: by });
    else if (entry.actor !== "others")
      add({ ...entry, orgId: platformOrg, actor: "others", rule: "", operation: "" }, by);
    else counts.set(name, { ...entry, count: by });
  }

  return {
    count(who, operation, { reason, stage, rule }) {
      const [orgId, actor] = "orgId" in who ? [who.orgId, who.name] : [platformOrg, addressPrefix(who.address)];
      add({ orgId, actor, reason, stage, rule, operation }, 1);
    },
    async flush() {
      const written = counts;
      counts = new Map();
      const byOrg = Map.groupBy(written.values(), (c) => c.orgId);
      for (const [orgId, entries] of byOrg) {
        const drafts = entries.map(({ actor, reason, stage, rule, operation, count }): RecordDraft => ({
          kind: "admission.refused",
          actor,
          body: { reason, stage, rule, operation, count },
        }));
        try {
          await store.transaction(
            [orgId],
            async (tx) => void (await tx.records.appendJournal(orgId, sessionId(), drafts, await tx.nowMs())),
          );
        } catch {
          for (const entry of entries) add(entry, entry.count);
        }
      }
    },
  };
}

/** The /24 of an IPv4 address or the /48 of an IPv6 one: whoever has a network has all of its addresses. */
export function addressPrefix(address: string): string {
  const plain = address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
  if (/^\d+\.\d+\.\d+\.\d+$/.test(plain)) return `${plain.slice(0, plain.lastIndexOf("."))}.0/24`;
  if (!plain.includes(":")) return "unknown";
  const [head = "", tail = ""] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const all = plain.includes("::")
    ? [...groups, ...Array<string>(Math.max(0, 8 - groups.length - after.length)).fill("0"), ...after]
    : groups;
  return `${all.slice(0, 3).join(":")}::/48`;
}
