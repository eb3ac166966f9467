// Large plain values between threads in slices: a structured clone of 10,000 objects holds up the event loop for a quarter
// of a second, JSON slices of 500 for 3 ms each. Not here: the threads, see worker-pool.ts.
import { setImmediate as nextTurn } from "node:timers/promises";

const SLICE = 500;

/** What a value becomes on its way: lists, maps and sets are cut into JSON texts; what is in them must be JSON. */
export type Sliced =
  | { readonly kind: "plain"; readonly value: unknown }
  | { readonly kind: "list" | "map" | "set"; readonly slices: readonly string[] }
  | { readonly kind: "object"; readonly members: readonly (readonly [string, Sliced])[] };

export async function slice(value: unknown): Promise<Sliced> {
  if (Array.isArray(value)) return { kind: "list", slices: await slicesOf(value) };
  if (value instanceof Map)
    return { kind: "map", slices: await slicesOf([...(value as ReadonlyMap<unknown, unknown>)]) };
  if (value instanceof Set) return { kind: "set", slices: await slicesOf([...(value as ReadonlySet<unknown>)]) };
  if (typeof value !== "object" || value === null) return { kind: "plain", value };
  const members: [string, Sliced][] = [];
  for (const [name, member] of Object.entries(value)) members.push([name, await slice(member)]);
  return { kind: "object", members };
}

/** The value that was sliced. */
export async function join(sliced: Sliced): Promise<unknown> {
  switch (sliced.kind) {
    case "plain":
      return sliced.value;
    case "list":
      return listOf(sliced.slices);
    case "map":
      return new Map((await listOf(sliced.slices)) as (readonly [unknown, unknown])[]);
    case "set":
      return new Set(await listOf(sliced.slices));
    case "object": {
      const members: [string, unknown][] = [];
      for (const [name, member] of sliced.members) members.push([name, await join(member)]);
      return Object.fromEntries(members);
    }
  }
}

async function slicesOf(list: readonly unknown[]): Promise<readonly string[]> {
  const slices: string[] = [];
  for (let from = 0; from < list.length; from += SLICE) {
    if (from > 0) await nextTurn();
    slices.push(JSON.stringify(list.slice(from, from + SLICE)));
  }
  return slices;
}

async function listOf(slices: readonly string[]): Promise<readonly unknown[]> {
  const list: unknown[] = [];
  for (const [i, text] of slices.entries()) {
    if (i > 0) await nextTurn();
    for (const item of JSON.parse(text) as readonly unknown[]) list.push(item);
  }
  return list;
}
