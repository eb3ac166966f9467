// How much content is under way at once, in all and per org: bytes in memory, and downloads that are open. Who is beyond waits
// its turn, one org after the other. Not here: the bytes.
import type { OrgId } from "../domain/id.ts";
import { refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";

export interface TransferLimits {
  /** Bytes that are worked on. More would be no faster: the database takes one chunk after the other. */
  readonly bytes: number;
  readonly bytesPerOrg: number;
  /** Bytes that have come in and wait. */
  readonly waiting: number;
  readonly waitingPerOrg: number;
  /** Downloads that are open. Each may have one part in memory for as long as its reader does not take it. */
  readonly downloads: number;
  readonly downloadsPerOrg: number;
  /** How long a part that its reader does not take counts among the bytes that are worked on, ms. */
  readonly patienceMs: number;
}

const MIB = 1_048_576;
export const TRANSFER_LIMITS: TransferLimits = {
  bytes: 4 * MIB,
  bytesPerOrg: 3 * MIB,
  waiting: 64 * MIB,
  waitingPerOrg: 32 * MIB,
  downloads: 128,
  downloadsPerOrg: 64,
  patienceMs: 1_000,
};

export interface Transfers {
  /** A share for bytes that have come in; refused when too many wait. The function gives it back. Throws the signal's reason. */
  incoming(orgId: OrgId, bytes: number, signal: AbortSignal): Promise<Decision<() => void>>;
  /** A place for a download, or a refusal. The function gives it back. */
  download(orgId: OrgId): Decision<() => void>;
  /** A share for a part of a download; it is given back when the part is taken, and at the latest when patience is over. */
  outgoing(orgId: OrgId, bytes: number, signal: AbortSignal): Promise<() => void>;
}

interface Waiter {
  readonly bytes: number;
  readonly take: () => void;
}

/** What an org has under way, and who of it waits, in the order they came. */
interface Line {
  bytes: number;
  waitingBytes: number;
  downloads: number;
  readonly waiting: Set<Waiter>;
}

export function createTransfers(limits: TransferLimits = TRANSFER_LIMITS): Transfers {
  /** Orgs in the order in which they are served: whose turn it was goes to the end. */
  const lines = new Map<OrgId, Line>();
  const all = { bytes: 0, waitingBytes: 0, downloads: 0 };

  const lineOf = (orgId: OrgId): Line => {
    const line = lines.get(orgId) ?? { bytes: 0, waitingBytes: 0, downloads: 0, waiting: new Set() };
    lines.set(orgId, line);
    return line;
  };
  const tidy = (orgId: OrgId, line: Line): void => {
    if (line.bytes === 0 && line.downloads === 0 && line.waiting.size === 0 && lines.get(orgId) === line)
      lines.delete(orgId);
  };
  // Whatever is larger than a bound has all of it for itself.
  const fits = (has: number, bytes: number, limit: number): boolean => has === 0 || has + bytes <= limit;
  const serve = (): void => {
    for (let served = true; served;) {
      served = false;
      for (const [orgId, line] of lines) {
        const [next] = line.waiting;
        if (next === undefined || !fits(line.bytes, next.bytes, limits.bytesPerOrg)) continue;
        // It is this org's turn: nobody behind goes first because of asking for less.
        if (!fits(all.bytes, next.bytes, limits.bytes)) return;
        line.waiting.delete(next);
        begin(orgId, line, next.bytes);
        next.take();
        served = true;
        break;
      }
    }
  };
  const begin = (orgId: OrgId, line: Line, bytes: number): void => {
    lines.delete(orgId);
    lines.set(orgId, line);
    line.bytes += bytes;
    all.bytes += bytes;
  };
  const share = (orgId: OrgId, line: Line, bytes: number): (() => void) => {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      line.bytes -= bytes;
      all.bytes -= bytes;
      serve();
      tidy(orgId, line);
    };
  };
  const take = async (orgId: OrgId, bytes: number, held: number, signal: AbortSignal): Promise<() => void> => {
    signal.throwIfAborted();
    const line = lineOf(orgId);
    const first = all.bytes + bytes <= limits.bytes && [...lines.values()].every(({ waiting }) => waiting.size === 0);
    if (first && fits(line.bytes, bytes, limits.bytesPerOrg)) {
      begin(orgId, line, bytes);
      return share(orgId, line, bytes);
    }
    line.waitingBytes += held;
    all.waitingBytes += held;
    try {
      await new Promise<void>((resolve, reject) => {
        const callOff = (): void => {
          line.waiting.delete(waiter);
          reject(signal.reason as Error);
          // It may have been the one that the others stood behind.
          serve();
        };
        const waiter: Waiter = {
          bytes,
          take: () => {
            signal.removeEventListener("abort", callOff);
            resolve();
          },
        };
        line.waiting.add(waiter);
        signal.addEventListener("abort", callOff, { once: true });
        serve();
      });
    } finally {
      line.waitingBytes -= held;
      all.waitingBytes -= held;
      tidy(orgId, line);
    }
    return share(orgId, line, bytes);
  };

  return {
    incoming: async (orgId, bytes, signal) => {
      const own = lines.get(orgId)?.waitingBytes ?? 0;
      if (all.waitingBytes + bytes > limits.waiting || own + bytes > limits.waitingPerOrg)
        return refused("OVERLOADED", "Too much content waits to be taken.", {
          rule: "transfers.waiting",
          metadata: { limit: String(own + bytes > limits.waitingPerOrg ? limits.waitingPerOrg : limits.waiting) },
          retryAfterMs: 500,
          remedy: "Send it again, fewer chunks at once.",
        });
      return { ok: true, value: await take(orgId, bytes, bytes, signal) };
    },
    download: (orgId) => {
      const line = lineOf(orgId);
      if (all.downloads >= limits.downloads || line.downloads >= limits.downloadsPerOrg) {
        const limit = line.downloads >= limits.downloadsPerOrg ? limits.downloadsPerOrg : limits.downloads;
        tidy(orgId, line);
        return refused("OVERLOADED", `${limit} downloads are open already.`, {
          rule: "transfers.downloads",
          metadata: { limit: String(limit) },
          retryAfterMs: 1_000,
          remedy: "End some, or read them one after the other.",
        });
      }
      line.downloads += 1;
      all.downloads += 1;
      let given = false;
      return {
        ok: true,
        value: () => {
          if (given) return;
          given = true;
          line.downloads -= 1;
          all.downloads -= 1;
          tidy(orgId, line);
        },
      };
    },
    outgoing: async (orgId, bytes, signal) => {
      const giveBack = await take(orgId, bytes, 0, signal);
      const late = setTimeout(giveBack, limits.patienceMs);
      return () => {
        clearTimeout(late);
        giveBack();
      };
    },
  };
}
