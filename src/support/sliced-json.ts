// Large plain values between threads in slices: a structured clone of 10,000 objects holds up the event loop for a quarter
// of a second, JSON slices of 500 for 3 ms each; as bytes they are handed over, where texts would be copied (15 to 40 ms).
// Not here: the threads, see worker-pool.ts.
import { setImmediate as nextTurn } from "node:timers/promises";

const SLICE = 500;

type Bytes = Uint8Array<ArrayBuffer>;

/** What a value becomes on its way: lists, maps and sets are cut into JSON texts in UTF-8; what is in them must be JSON. */
export type Sliced =
  | { readonly kind: "plain"; readonly value: unknown }
  | { readonly kind: "list" | "map" | "set"; readonly slices: readonly Bytes[] }
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

/** The memory of a sliced value, to be handed over with it. */
export function memoryOf(sliced: Sliced): readonly ArrayBuffer[] {
  switch (sliced.kind) {
    case "plain":
      return [];
    case "object":
      return sliced.members.flatMap(([, member]) => memoryOf(member));
    case "list":
    case "map":
    case "set":
      return sliced.slices.map((bytes) => bytes.buffer);
  }
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

async function slicesOf(list: readonly unknown[]): Promise<readonly Bytes[]> {
  const slices: Bytes[] = [];
  const encoder = new TextEncoder();
  for (let from = 0; from < list.length; from += SLICE) {
    if (from > 0) await nextTurn();
    slices.push(encoder.encode(JSON.stringify(list.slice(from, from + SLICE))));
  }
  return slices;
}

async function listOf(slices: readonly Bytes[]): Promise<readonly unknown[]> {
  const list: unknown[] = [];
  const decoder = new TextDecoder();
  for (const [i, bytes] of slices.entries()) {
    if (i > 0) await nextTurn();
    for (const item of JSON.parse(decoder.decode(bytes)) as readonly unknown[]) list.push(item);
  }
  return list;
}
