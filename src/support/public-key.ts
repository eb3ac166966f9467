// Public keys as they are given: whether a text is one that signatures can be verified with. Not here: verifying, see dsse.ts.
import { createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";

const CURVES: ReadonlyMap<string, "P-256" | "P-384"> = new Map([
  ["prime256v1", "P-256"],
  ["secp384r1", "P-384"],
]);
const LEAST_RSA_BITS = 2_048;
/** One block and nothing else: what is read from a private key's text would be its public half, and the text is kept. */
const SPKI = /^-----BEGIN PUBLIC KEY-----\s+[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----$/;

/** What is wrong with a text that should be a public key (PEM, SPKI); undefined when it is one. */
export function publicKeyProblem(text: string): string | undefined {
  if (!SPKI.test(text.trim())) return "must be one public key as PEM: -----BEGIN PUBLIC KEY----- …";
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch {
    return "cannot be read as a public key";
  }
  const kind = keyKind(key);
  return kind.ok ? undefined : kind.problem;
}

export type KeyKind = "ED25519" | "P-256" | "P-384" | "RSA";

/** What kind of key it is, of those that signatures are verified with; or what is wrong with it. */
export function keyKind(
  key: KeyObject,
): { readonly ok: true; readonly kind: KeyKind } | { readonly ok: false; readonly problem: string } {
  const { namedCurve = "", modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "ed25519":
      return { ok: true, kind: "ED25519" };
    case "ec": {
      const kind = CURVES.get(namedCurve);
      return kind === undefined ? { ok: false, problem: "must be on the curve P-256 or P-384" } : { ok: true, kind };
    }
    case "rsa":
      return modulusLength >= LEAST_RSA_BITS
        ? { ok: true, kind: "RSA" }
        : { ok: false, problem: `must have at least ${String(LEAST_RSA_BITS)} bits` };
    default:
      return { ok: false, problem: "must be Ed25519, ECDSA on P-256 or P-384, or RSA" };
  }
}
