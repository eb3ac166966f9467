// A clock that goes on as the system's does and can be moved ahead by hand; whoever waits for a moment is called when it was
// reached. Not here: the database's clock, see database.ts.
import { alarmAt, systemClock } from "../support/clock.ts";
import type { Clock } from "../support/clock.ts";

interface Alarm {
  readonly atMs: number;
  readonly ring: () => void;
  callOff: () => void;
}

/**
 * Moving it is what a machine that slept sees: the wall clock is ahead, and the monotonic one went on as if nothing had been,
 * so that whoever watches for signs of life finds nobody silent.
 */
export class MovableClock implements Clock {
  readonly #base: Clock;
  readonly #alarms = new Set<Alarm>();
  #aheadMs = 0;

  constructor(base: Clock = systemClock) {
    this.#base = base;
  }

  /** How far it was moved, all in all. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  nowMs(): number {
    return this.#base.nowMs() + this.#aheadMs;
  }

  monotonicMs(): number {
    return this.#base.monotonicMs();
  }

  readonly alarm = (atMs: number, ring: () => void): (() => void) => {
    const alarm: Alarm = { atMs, ring, callOff: () => undefined };
    this.#alarms.add(alarm);
    this.#wind(alarm);
    return () => this.#drop(alarm);
  };

  /** Alarms that have come due ring in the order of their moments, before this returns. */
  moveTo(aheadMs: number): void {
    if (!(aheadMs >= this.#aheadMs)) throw new RangeError("a clock moves ahead only: ids and records are in its order");
    this.#aheadMs = aheadMs;
    const nowMs = this.nowMs();
    const due = [...this.#alarms].filter(({ atMs }) => atMs <= nowMs).sort((a, b) => a.atMs - b.atMs);
    for (const alarm of this.#alarms) this.#wind(alarm);
    for (const alarm of due) this.#ring(alarm);
  }

  #wind(alarm: Alarm): void {
    alarm.callOff();
    alarm.callOff = alarmAt(this.#base, alarm.atMs - this.#aheadMs, () => this.#ring(alarm));
  }

  #ring(alarm: Alarm): void {
    if (this.#drop(alarm)) alarm.ring();
  }

  #drop(alarm: Alarm): boolean {
    alarm.callOff();
    return this.#alarms.delete(alarm);
  }
}
