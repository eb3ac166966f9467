// Which ready step goes to which taker: fair between orgs, oldest first within them. Not here: leasing them, which is a batch.
import type { PlanId, ReadyStep } from "../domain/id.ts";
import type { Item } from "./items.ts";
import type { Taker, Takers } from "./takers.ts";
import type { Window } from "./window.ts";
import type { Windows } from "./windows.ts";

export interface PickerOptions {
  readonly windows: Windows;
  readonly takers: Takers;
  /** A taker with credit found its windows empty. */
  readonly hungry: (taker: Taker) => void;
  /** It is not to be claimed now; a scan brings it again. */
  readonly isAside: (planId: PlanId, ordinal: number) => boolean;
}

/** Steps that an org may take in its turn. */
const QUANTUM = 16;

export class ClaimPicker {
  readonly #options: PickerOptions;
  #turn = 0;

  constructor(options: PickerOptions) {
    this.#options = options;
  }

  /** Picks steps for credit: orgs in turn, a quantum each; an executor's windows by their oldest head. */
  pick(room: number, busy: ReadonlySet<PlanId>): Item[] {
    const claims: Item[] = [];
    const { takers } = this.#options;
    const orgs = takers.orgs();
    if (orgs.length === 0 || room <= 0) return claims;
    const disturbed = new Set<Window>();
    let progress = true;
    this.#turn += 1;
    const turn = this.#turn % orgs.length;
    const order = [...orgs.slice(turn), ...orgs.slice(0, turn)];
    while (progress && claims.length < room) {
      progress = false;
      for (const orgId of order) {
        let quantum = Math.min(QUANTUM, room - claims.length);
        for (const taker of takers.inTurn(orgId)) {
          while (quantum > 0 && taker.credit > 0) {
            const item = this.#next(taker, busy, disturbed);
            if (item === undefined) {
              this.#options.hungry(taker);
              break;
            }
            claims.push(item);
            quantum -= 1;
            progress = true;
          }
          if (quantum === 0) break;
        }
      }
    }
    for (const window of disturbed) window.restore();
    for (const claim of claims) if (claim.kind === "claim") claim.taker.seal();
    return claims;
  }

  #next(taker: Taker, busy: ReadonlySet<PlanId>, disturbed: Set<Window>): Item | undefined {
    let step = this.#oldest(taker, busy, disturbed);
    while (step !== undefined && this.#options.isAside(step.planId, step.ordinal))
      step = this.#oldest(taker, busy, disturbed);
    if (step === undefined) return undefined;
    taker.reserve();
    return {
      kind: "claim",
      orgId: step.orgId,
      planId: step.planId,
      deferrals: 0,
      ordinal: step.ordinal,
      taker,
      handover: false,
      from: step,
    };
  }

  /** The oldest step for a taker, of a plan that no batch is busy with. */
  #oldest(taker: Taker, busy: ReadonlySet<PlanId>, disturbed: Set<Window>): ReadyStep | undefined {
    let best: Window | undefined;
    let bestKey = Number.POSITIVE_INFINITY;
    for (const window of taker.windows(this.#options.windows)) {
      let head = window.head();
      for (; head !== undefined && busy.has(head.planId); head = window.head()) {
        disturbed.add(window);
        window.setAside();
      }
      if (head === undefined || head.orderKey >= bestKey) continue;
      best = window;
      bestKey = head.orderKey;
    }
    return best?.take();
  }
}
