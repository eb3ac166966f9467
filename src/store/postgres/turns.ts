// Turns of orgs: how many connections the calls of one org may hold at once. Whoever is beyond that waits in line without
// one. Not here: connections, see connection.ts.
import type { OrgId } from "../../domain/id.ts";
import { StoreBusyError } from "../ports/store.ts";
import { reasonOf } from "./connection.ts";

export interface Turns {
  /** Waits for a turn of the org; the function gives it back. Throws StoreBusyError after a while, or the signal's reason. */
  take(orgId: OrgId, signal?: AbortSignal): Promise<() => void>;
}

interface Line {
  taken: number;
  /** In the order they came. */
  readonly waiting: Set<() => void>;
}

export function createTurns({ each, waitMs }: { readonly each: number; readonly waitMs: number }): Turns {
  const lines = new Map<OrgId, Line>();

  const giveBack = (orgId: OrgId, line: Line): void => {
    const [next] = line.waiting;
    if (next !== undefined) {
      line.waiting.delete(next);
      next();
      return;
    }
    line.taken -= 1;
    if (line.taken === 0) lines.delete(orgId);
  };
  const lineUp = async (line: Line, signal?: AbortSignal): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      const leave = (trouble: Error): void => {
        line.waiting.delete(take);
        settled();
        reject(trouble);
      };
      const callOff = (): void => {
        leave(reasonOf(signal));
      };
      const late = setTimeout(() => {
        leave(new StoreBusyError("other calls of the org hold all connections that it may have"));
      }, waitMs);
      const settled = (): void => {
        clearTimeout(late);
        signal?.removeEventListener("abort", callOff);
      };
      const take = (): void => {
        settled();
        resolve();
      };
      line.waiting.add(take);
      signal?.addEventListener("abort", callOff, { once: true });
    });

  return {
    take: async (orgId, signal) => {
      signal?.throwIfAborted();
      const line = lines.get(orgId) ?? { taken: 0, waiting: new Set() };
      lines.set(orgId, line);
      // A turn that is given back while others wait goes to the first of them, and stays counted.
      if (line.taken >= each) await lineUp(line, signal);
      else line.taken += 1;
      return () => {
        giveBack(orgId, line);
      };
    },
  };
}
