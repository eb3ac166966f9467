// The computations that large plans move off the event loop, by name. Not here: where they run, see heavy-work.ts.
import { traceCredit } from "../domain/credit/trace.ts";
import { refineSteps } from "./refine-steps.ts";
import { transition } from "./transition.ts";

export const HEAVY_TASKS = { refine: refineSteps, transition, credit: traceCredit } as const;

export type HeavyTask = keyof typeof HEAVY_TASKS;
