// Goals as flags name them, as one filter in CEL. Not here: what is done with those that it finds.
import { pairOf } from "./flags.ts";

export interface FilterFlags {
  readonly label: readonly string[];
  readonly state: readonly string[];
  readonly filter?: string;
}

/** One filter of all that was asked for; all of it must hold, of the states one. Empty when nothing was asked for. */
export function filterOf({ filter, label, state }: FilterFlags): string {
  const text = JSON.stringify;
  const labels = label.map((one) => pairOf("--label", one));
  const terms = [
    ...(filter === undefined || filter.trim() === "" ? [] : [filter]),
    ...labels.map(([name, value]) => `labels[${text(name)}] == ${text(value)}`),
    ...(state.length > 0 ? [state.map((one) => `state == ${text(one)}`).join(" || ")] : []),
  ];
  return terms.length === 1 ? (terms[0] ?? "") : terms.map((term) => `(${term})`).join(" && ");
}
