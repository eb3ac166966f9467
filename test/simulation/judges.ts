// The gatekeeper of a simulated server: takes its time, and lets gates pass or not as chance has it. Not here: who leases gates
// (src/dispatch/gates.ts), and the rules of releases.
import type { Gatekeeper, LeasedGate } from "../../src/dispatch/dispatcher.ts";
import { NOTHING } from "../../src/domain/amounts.ts";
import { digestOfText } from "../../src/domain/canonical.ts";
import { GATEKEEPER } from "../../src/domain/gate.ts";
import { outcomeDigest } from "../../src/domain/outcome.ts";
import type { OutcomeResult } from "../../src/domain/outcome.ts";
import type { Dice } from "../support/random-graph.ts";
import type { Ledger } from "./ledger.ts";
import { takesMs } from "./work.ts";
import type { Process } from "./world.ts";

/** How often orgs are looked for whose gates no event told of; the product's servers do it each minute, and when a session lapsed. */
export const ATTEND_EVERY_MS = 5_000;

export function judging({ world, dice, timers, name }: Process, ledger: Pick<Ledger, "sent" | "assigned">): Gatekeeper {
  return {
    perform: ({ orgId, lease, attempt }: LeasedGate, signal) =>
      new Promise((resolve, reject) => {
        world.note(name, "judges", `${lease.step} ${String(attempt)}`);
        world.count("gates begun");
        ledger.assigned({ lease, executorId: GATEKEEPER });
        const timer = timers.after(takesMs(dice, false), () => {
          const result = verdictOf(dice);
          world.count(`gates: ${result.kind}`);
          const said = { lease, result, usage: NOTHING, artifacts: [] };
          ledger.sent({ lease, bodyDigest: outcomeDigest(said) });
          resolve(result);
        });
        const callOff = (): void => {
          timer.cancel();
          world.count("gates called off");
          reject(new Error(`the gate of ${orgId} was called off`));
        };
        signal.addEventListener("abort", callOff, { once: true });
      }),
  };
}

function verdictOf(dice: Dice): OutcomeResult {
  const chance = dice.fraction();
  if (chance < 0.7) {
    const outputs = '{"passed":true}';
    return { kind: "success", outputs: { kind: "json", text: outputs }, outputsDigest: digestOfText(outputs) };
  }
  const errorClass = chance < 0.9 ? "PERMANENT" : "TRANSIENT";
  return { kind: "failure", failure: { errorClass, message: "it does not pass", details: "" } };
}
