// Digests in bills of materials: each can be one, and those of what is described agree. Not here: what they are compared with.
import { declaredDigest, normalAlgorithm } from "../../domain/release/evidence.ts";
import type { Digests } from "../../domain/release/evidence.ts";
import { checksumsOf } from "../../domain/release/purl.ts";
import { EvidenceError } from "./unpack.ts";

export type NamedDigest = readonly [algorithm: string, text: string];

/** Of the algorithms that count their length is known. */
const COUNTS: ReadonlySet<string> = new Set(["sha256", "sha384", "sha512"]);

export function counts([algorithm]: NamedDigest): boolean {
  return COUNTS.has(normalAlgorithm(algorithm));
}

export function expectDigest(one: NamedDigest): void {
  const [algorithm, text] = one;
  const isOne = counts(one) ? declaredDigest(`${algorithm}:${text}`).ok : algorithm !== "" && /^[0-9a-f]+$/i.test(text);
  if (!isOne) throw new EvidenceError(`${shown(text)} is no digest of ${shown(algorithm)}`);
}

/** Two digests of one algorithm are of two contents: which of them is described nobody could say. */
export function agreed(stated: readonly NamedDigest[], purl: string): Digests {
  const known = new Map<string, string>();
  for (const one of [...stated, ...checksumsOf(purl)]) {
    expectDigest(one);
    const [algorithm, hex] = [normalAlgorithm(one[0]), one[1].toLowerCase()];
    if ((known.get(algorithm) ?? hex) !== hex)
      throw new EvidenceError(`what it describes has two digests of ${shown(one[0])}`);
    known.set(algorithm, hex);
  }
  return Object.fromEntries(stated);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
