// Who watches which plan here, and the kept lines of running steps. Memory only, bounded. Not here: records, which are the truth.
import type { OrgId, PlanId } from "../domain/id.ts";
import type { LogLine, PassingEvent, PlanListener, PlanMoved } from "./dispatcher.ts";

export class Listeners {
  readonly #byPlan = new Map<PlanId, Set<{ readonly orgId: OrgId; readonly listener: PlanListener }>>();

  add(orgId: OrgId, planId: PlanId, listener: PlanListener): () => void {
    const entry = { orgId, listener };
    const set = this.#byPlan.get(planId) ?? new Set();
    set.add(entry);
    this.#byPlan.set(planId, set);
    return () => {
      set.delete(entry);
      if (set.size === 0 && this.#byPlan.get(planId) === set) this.#byPlan.delete(planId);
    };
  }

  has(planId: PlanId): boolean {
    return this.#byPlan.has(planId);
  }

  moved(orgId: OrgId, event: PlanMoved): void {
    for (const entry of this.#byPlan.get(event.planId) ?? []) if (entry.orgId === orgId) entry.listener.moved(event);
  }

  passing(orgId: OrgId, event: PassingEvent): void {
    for (const entry of this.#byPlan.get(event.planId) ?? []) if (entry.orgId === orgId) entry.listener.passing(event);
  }
}

/** Lines kept for a step, and steps kept in all. */
const LINES_LIMIT = 2_000;
const STEPS_LIMIT = 2_000;
const TAIL_BYTES = 16_384;

export class Logs {
  /** By plan and step; the oldest entry goes first when there are too many. */
  readonly #byStep = new Map<string, { fencing: number; lines: LogLine[]; dropped: number }>();

  append(planId: PlanId, step: string, fencing: number, lines: readonly LogLine[]): void {
    const key = `${planId}/${step}`;
    let kept = this.#byStep.get(key);
    if (kept === undefined || kept.fencing < fencing) kept = { fencing, lines: [], dropped: 0 };
    if (kept.fencing > fencing) return;
    this.#byStep.delete(key);
    this.#byStep.set(key, kept);
    kept.lines.push(...lines);
    const excess = kept.lines.length - LINES_LIMIT;
    if (excess > 0) {
      kept.lines.splice(0, excess);
      kept.dropped += excess;
    }
    if (this.#byStep.size > STEPS_LIMIT) {
      const [oldest] = this.#byStep.keys();
      if (oldest !== undefined) this.#byStep.delete(oldest);
    }
  }

  of(planId: PlanId, step: string): { readonly lines: readonly LogLine[]; readonly dropped: number } {
    return this.#byStep.get(`${planId}/${step}`) ?? { lines: [], dropped: 0 };
  }

  /** The last lines of an attempt, for its row. */
  tail(planId: PlanId, step: string, fencing: number): string {
    const kept = this.#byStep.get(`${planId}/${step}`);
    if (kept?.fencing !== fencing) return "";
    let text = "";
    for (let i = kept.lines.length - 1; i >= 0; i--) {
      const line = kept.lines[i];
      if (line === undefined || text.length + line.text.length + 1 > TAIL_BYTES) break;
      text = text === "" ? line.text : `${line.text}\n${text}`;
    }
    return text;
  }
}
