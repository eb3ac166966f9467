// Envelopes of signed statements: DSSE v1 (secure-systems-lab/dsse), in-toto Statement v1, and the keys for them. Not here: what the
// statements say, and where keys are kept.
import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { dsse } from "@sigstore/core";
import { keyKind } from "./public-key.ts";

export const IN_TOTO_PAYLOAD_TYPE = "application/vnd.in-toto+json";
export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";

export interface Envelope {
  readonly payloadType: string;
  /** Base64. */
  readonly payload: string;
  /** `keyid` is a hint that nobody signed: it decides nothing. `sig` is base64. */
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

export interface PublicKey {
  readonly keyId?: string;
  /** PEM (SPKI): Ed25519, ECDSA on P-256 or P-384, or RSA of 2048 bits and more. */
  readonly publicPem: string;
}

export interface Subject {
  readonly name: string;
  readonly digest: Readonly<Record<string, string>>;
}

/** More signatures than that are nobody's need, and each is tried with each key. */
const MOST_SIGNATURES = 16;

/** Signs with an Ed25519 key; the same payload and key give the same envelope. */
export function signEnvelope(
  payloadType: string,
  payload: string,
  key: { readonly keyId: string; readonly privatePem: string },
): Envelope {
  const bytes = Buffer.from(payload, "utf8");
  const sig = sign(null, dsse.preAuthEncoding(payloadType, bytes), createPrivateKey(key.privatePem)).toString("base64");
  return { payloadType, payload: bytes.toString("base64"), signatures: [{ keyid: key.keyId, sig }] };
}

/** The payload, and the first of the keys that one of the signatures is of; undefined when there is none. */
export function verifyEnvelope<K extends PublicKey>(
  envelope: Envelope,
  keys: readonly K[],
): { readonly payload: Buffer; readonly key: K } | undefined {
  const payload = base64(envelope.payload);
  if (payload === undefined) return undefined;
  const signed = dsse.preAuthEncoding(envelope.payloadType, payload);
  const sigs = envelope.signatures.slice(0, MOST_SIGNATURES).flatMap(({ sig }) => base64(sig) ?? []);
  for (const key of keys) {
    const object = publicKey(key.publicPem);
    if (object !== undefined && sigs.some((sig) => isSignature(object, signed, sig))) return { payload, key };
  }
  return undefined;
}

/** An envelope out of JSON text; undefined for anything else. Members that are not known are left out, as DSSE asks. */
export function readEnvelope(text: string): Envelope | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { payloadType, payload, signatures } = value;
  if (typeof payloadType !== "string" || typeof payload !== "string" || !Array.isArray(signatures)) return undefined;
  if (signatures.length === 0 || signatures.length > MOST_SIGNATURES || base64(payload) === undefined) return undefined;
  const read: { keyid: string; sig: string }[] = [];
  for (const one of signatures as readonly unknown[]) {
    if (!isObject(one) || typeof one["sig"] !== "string") return undefined;
    const keyid = one["keyid"] ?? "";
    if (typeof keyid !== "string") return undefined;
    read.push({ keyid, sig: one["sig"] });
  }
  return { payloadType, payload, signatures: read };
}

/** JSON text of an in-toto Statement v1. */
export function statementText(subjects: readonly Subject[], predicateType: string, predicate: unknown): string {
  return JSON.stringify({ _type: STATEMENT_TYPE, subject: subjects, predicateType, predicate });
}

/** `sha256:` of the public half (SPKI, DER). Throws for what is no key. */
export function keyIdOf(publicPem: string): string {
  const der = createPublicKey(publicPem).export({ type: "spki", format: "der" });
  return `sha256:${hash("sha256", der, "hex")}`;
}

/** A new Ed25519 key out of the system's own randomness. */
export function makeSigningKey(): { readonly keyId: string; readonly publicPem: string; readonly privatePem: string } {
  const { publicKey: publicPem, privateKey: privatePem } = generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { keyId: keyIdOf(publicPem), publicPem, privatePem };
}

function isSignature(key: KeyObject, signed: Buffer, sig: Buffer): boolean {
  const judged = keyKind(key);
  if (!judged.ok) return false;
  switch (judged.kind) {
    case "ED25519":
      return verify(null, signed, key, sig);
    case "P-256":
      return isEcdsa("sha256", signed, key, sig);
    case "P-384":
      // Either digest: SHA-384 by the book, SHA-256 of signers that know only that.
      return isEcdsa("sha384", signed, key, sig) || isEcdsa("sha256", signed, key, sig);
    case "RSA":
      return verify("sha256", signed, key, sig);
  }
}

/** Both ways of writing r and s are about: DER, and one after the other as in DSSE's own vector. */
function isEcdsa(digest: string, signed: Buffer, key: KeyObject, sig: Buffer): boolean {
  return verify(digest, signed, key, sig) || verify(digest, signed, { key, dsaEncoding: "ieee-p1363" }, sig);
}

function publicKey(pem: string): KeyObject | undefined {
  try {
    return createPublicKey(pem);
  } catch {
    return undefined;
  }
}

/** Bytes of base64, standard or URL-safe, padded or not; undefined for what only a lenient reader takes. */
function base64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  const plain = text.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
  return bytes.toString("base64").replace(/=+$/, "") === plain ? bytes : undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
