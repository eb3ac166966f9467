// What a measurement is, and what it gives. Not here: the measurements.
import type { Stage } from "./stage.ts";

export interface Figure {
  readonly key: string;
  readonly value: number;
  readonly unit: string;
  /** Key of the ceiling it is printed beside. */
  readonly ceiling?: string;
  readonly note?: string;
}

export interface Measurement {
  readonly name: string;
  /** Takes minutes: not part of a run of everything. */
  readonly onlyAsked?: boolean;
  run(stage: Stage): Promise<readonly Figure[]>;
}
