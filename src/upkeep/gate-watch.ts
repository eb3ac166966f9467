// Finds orgs whose gate steps are ready and that no event told this server of: those of servers that are gone, and of earlier lives.
// Not here: performing gates, see dispatch/gates.ts.
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { RELEASE_GATE } from "../domain/gate.ts";
import type { SessionId } from "../domain/id.ts";
import type { Store } from "../store/ports/store.ts";
import { createLoop } from "./loop.ts";
import type { Loop } from "./loop.ts";

const EVERY_MS = 60_000;

export interface GateWatch extends Loop {
  /** Hears of sessions that lapsed, as often as they are told; looks once for each. */
  heard(lapsed: readonly SessionId[]): void;
}

export function createGateWatch(
  platform: Pick<Store["platform"], "readyFor">,
  dispatcher: Pick<Dispatcher, "attendGates">,
  onTrouble: (error: unknown) => void,
): GateWatch {
  let known: ReadonlySet<SessionId> = new Set();
  const loop = createLoop(
    EVERY_MS,
    async () => {
      dispatcher.attendGates(await platform.readyFor(RELEASE_GATE));
    },
    onTrouble,
  );
  return {
    ...loop,
    heard: (lapsed) => {
      const isNew = lapsed.some((id) => !known.has(id));
      // Those that were swept are not told of any more.
      known = new Set(lapsed);
      if (isNew) void loop.runOnce();
    },
  };
}
