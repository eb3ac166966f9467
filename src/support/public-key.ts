// Public keys as they are given: whether a text is one that signatures can be verified with. Not here: verifying, see dsse.ts.
import { createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";

const CURVES = new Set(["prime256v1", "secp384r1"]);
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
  const { namedCurve, modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "ed25519":
      return undefined;
    case "ec":
      return namedCurve !== undefined && CURVES.has(namedCurve) ? undefined : "must be on the curve P-256 or P-384";
    case "rsa":
      return modulusLength >= LEAST_RSA_BITS ? undefined : `must have at least ${String(LEAST_RSA_BITS)} bits`;
    default:
      return "must be Ed25519, ECDSA on P-256 or P-384, or RSA";
  }
}
