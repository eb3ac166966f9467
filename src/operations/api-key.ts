// Secrets of API keys: made here, shown once, kept only as a digest. Not here: finding a key by its secret, see engine/.
import { createHash } from "node:crypto";
import type { Random } from "../support/random.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const SECRET_BYTES = 32;
/** 62^43 exceeds 2^256. */
const SECRET_DIGITS = 43;

/** `mk_` and 32 random bytes in base 62, always 43 digits. */
export function newSecret(random: Random): string {
  let value = BigInt(`0x${Buffer.from(random.bytes(SECRET_BYTES)).toString("hex")}`);
  let digits = "";
  for (let i = 0; i < SECRET_DIGITS; i++) {
    digits = (ALPHABET[Number(value % 62n)] ?? "") + digits;
    value /= 62n;
  }
  return `mk_${digits}`;
}

/** What is kept of a secret. A plain hash is enough: 256 random bits cannot be guessed. */
export function secretDigest(secret: string): Uint8Array {
  return createHash("sha256").update(secret, "utf8").digest();
}
