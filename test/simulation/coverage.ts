// What seeds have met: events of every kind, and crashes at every point of transactions that carry what. Not here: what seeds must
// have met (seeds.test.ts).
import { CRASHES } from "./crashes.ts";

export type Counts = ReadonlyMap<string, number>;

export function together(runs: readonly { readonly counts: Counts }[]): Counts {
  const all = new Map<string, number>();
  for (const { counts } of runs) for (const [what, times] of counts) all.set(what, (all.get(what) ?? 0) + times);
  return all;
}

/** Crash points against what was carried, then everything else that was counted. */
export function coverageTable(counts: Counts): string {
  const points = [...new Set(CRASHES.map(({ fate }) => fate))];
  const carried = [...new Set(CRASHES.map(({ of }) => of))];
  const width = Math.max(...carried.map((of) => of.length));
  const cell = (text: string | number, size: number): string => String(text).padStart(size);
  const shown = new Set<string>();
  const count = (what: string): number => {
    shown.add(what);
    return counts.get(what) ?? 0;
  };
  const lines = [
    [" ".repeat(width), cell("committed", 9), ...points].join("  "),
    ...carried.map((of) =>
      [
        of.padEnd(width),
        cell(count(`committed: ${of}`), 9),
        ...points.map((point) => cell(count(`${point}: ${of}`), point.length)),
      ].join("  "),
    ),
  ];
  const others = [...counts].filter(([what]) => !shown.has(what)).sort(([a], [b]) => (a < b ? -1 : 1));
  return [...lines, ...others.map(([what, times]) => `${cell(times, 7)}  ${what}`)].join("\n");
}

/** Of what was wanted, whatever came up less often. */
export function missing(counts: Counts, wanted: Readonly<Record<string, number>>): readonly string[] {
  return Object.entries(wanted).flatMap(([what, least]) => {
    const times = counts.get(what) ?? 0;
    return times < least ? [`${what}: ${String(times)} of ${String(least)}`] : [];
  });
}
