// What happened to a plan under random events, and how often. Not here: the events.

export class EventTrail {
  readonly trail: string[] = [];
  readonly counts = new Map<string, number>();

  say(what: string, act: () => void): void {
    this.trail.push(what);
    const [kind] = what.split(" ") as [string];
    this.count(kind);
    act();
  }

  count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }
}
