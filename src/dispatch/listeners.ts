// Who watches which plan here, and the kept lines of running steps. Memory only, bounded. Not here: records, which are the truth.
import type { OrgId, PlanId } from "../domain/id.ts";
import type { KeptLines, LogLine, PassingEvent, PlanListener, PlanMoved } from "./dispatcher.ts";

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

/** Lines and characters kept for a step, and steps and characters kept in all. */
const LINES_LIMIT = 2_000;
const STEP_CHARACTERS = 1024 * 1024;
const STEPS_LIMIT = 2_000;
const ALL_CHARACTERS = 64 * 1024 * 1024;
const TAIL_BYTES = 16_384;

interface Kept {
  readonly fencing: number;
  readonly lines: LogLine[];
  characters: number;
  dropped: number;
}

export class Logs {
  /** By plan and row: an effect that is undone has lines, and numbers, beside its successor's. The oldest entry goes first when there are too many. */
  readonly #byRow = new Map<string, Kept>();
  #characters = 0;

  append(planId: PlanId, ordinal: number, fencing: number, lines: readonly LogLine[]): void {
    const key = `${planId}/${ordinal}`;
    const before = this.#byRow.get(key);
    if (before !== undefined && before.fencing > fencing) return;
    if (before !== undefined) this.#forget(key, before);
    const kept = before?.fencing === fencing ? before : { fencing, lines: [], characters: 0, dropped: 0 };
    kept.lines.push(...lines);
    for (const line of lines) kept.characters += line.text.length;
    let excess = 0;
    while (kept.lines.length - excess > LINES_LIMIT || kept.characters > STEP_CHARACTERS) {
      kept.characters -= kept.lines[excess]?.text.length ?? 0;
      excess += 1;
    }
    kept.lines.splice(0, excess);
    kept.dropped += excess;
    this.#byRow.set(key, kept);
    this.#characters += kept.characters;
    while (this.#byRow.size > STEPS_LIMIT || this.#characters > ALL_CHARACTERS) {
      const [oldest] = this.#byRow;
      if (oldest === undefined) return;
      this.#forget(...oldest);
    }
  }

  #forget(key: string, kept: Kept): void {
    this.#byRow.delete(key);
    this.#characters -= kept.characters;
  }

  of(planId: PlanId, ordinal: number): KeptLines | undefined {
    return this.#byRow.get(`${planId}/${ordinal}`);
  }

  /** The last lines of an attempt, for its row. */
  tail(planId: PlanId, ordinal: number, fencing: number): string {
    const kept = this.#byRow.get(`${planId}/${ordinal}`);
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
