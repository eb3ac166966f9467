// Graphs that load is made of. Not here: submitting them.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StepDefinitionSchema } from "../../../gen/maestro/v1/step_pb.ts";

export type StepInit = MessageInitShape<typeof StepDefinitionSchema>;

/** What the load executors can do. */
export const CAPABILITY = "load.work";

/** JSON text of exactly 200 bytes. */
export function json200(label: string): string {
  const head = `{"label":${JSON.stringify(label)},"pad":"`;
  return `${head}${"x".repeat(Math.max(0, 200 - head.length - 2))}"}`;
}

interface StepOptions {
  readonly capability?: string;
  readonly priority?: number;
  readonly needs?: readonly string[];
  readonly timeoutS?: number;
}

export function step(
  key: string,
  { capability = CAPABILITY, priority = 0, needs = [], timeoutS = 600 }: StepOptions = {},
): StepInit {
  return {
    key,
    kind: {
      case: "work",
      value: {
        capability,
        hold: { tokens: 10n, moneyMicros: 100n, wall: { seconds: 60n, nanos: 0 }, energyMillijoules: 1000n },
      },
    },
    needs: needs.map((name) => ({ step: name })),
    input: { value: { case: "json", value: json200(key) } },
    timeout: { seconds: BigInt(timeoutS), nanos: 0 },
    // An attempt that is lost is always tried again: faults are what these graphs are run under.
    retry: { maxAttempts: 100, initialBackoff: { seconds: 0n, nanos: 10_000_000 } },
    priority,
  };
}

/** Keys and parents: five roots and five joins of two or three parents, twelve edges; half the steps are blocked at first. */
const TEN: readonly (readonly [string, readonly string[]])[] = [
  ["r1", []],
  ["r2", []],
  ["r3", []],
  ["r4", []],
  ["r5", []],
  ["b1", ["r1", "r2"]],
  ["b2", ["r2", "r3"]],
  ["b3", ["r3", "r4", "r5"]],
  ["b4", ["r4", "r5"]],
  ["b5", ["b1", "b2", "b3"]],
];

/**
 * One unit of priority is a second of waiting. `scattered` puts forty seconds between the roots, hence the first root of
 * every plan before the second root of any, as long as all were committed within that time: no two steps of a plan stand together.
 */
export function tenSteps(capability = CAPABILITY, scattered = false): StepInit[] {
  const priority = (i: number): number => (scattered ? Math.max(-100, 100 - 40 * i) : 0);
  return TEN.map(([key, needs], i) => step(key, { capability, needs, priority: priority(i) }));
}

export function chain(length: number, capability = CAPABILITY): StepInit[] {
  return Array.from({ length }, (_, i) => step(`c${i}`, { capability, needs: i === 0 ? [] : [`c${i - 1}`] }));
}

/** `count` steps in groups of ten as in `tenSteps`; edges stay within a group. */
export function manySteps(count: number, capability = CAPABILITY): StepInit[] {
  return Array.from({ length: count }, (_, i) => {
    const [key, needs] = TEN[i % TEN.length] ?? ["r1", []];
    const group = Math.floor(i / TEN.length);
    return step(`g${group}-${key}`, { capability, needs: needs.map((need) => `g${group}-${need}`) });
  });
}
