// Signed envelopes: published vectors, every kind of key, and what a change of any byte comes to.
import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  IN_TOTO_PAYLOAD_TYPE,
  keyIdOf,
  makeSigningKey,
  readEnvelope,
  signEnvelope,
  statementText,
  verifyEnvelope,
} from "../../src/support/dsse.ts";
import type { Envelope } from "../../src/support/dsse.ts";

const HELLO_KEY = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr
CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==
-----END PUBLIC KEY-----
`;
/** The vector of DSSE's protocol: ECDSA on P-256, r and s one after the other. */
const HELLO: Envelope = {
  payloadType: "http://example.com/HelloWorld",
  payload: "aGVsbG8gd29ybGQ=",
  signatures: [
    {
      keyid: "66301bbf",
      sig: "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==",
    },
  ],
};

/** Keys of kinds that other signers use, and how they sign what DSSE says is signed. */
function foreign(kind: "P-256" | "P-384" | "P-521" | "RSA-2048" | "RSA-1024") {
  const { publicKey, privateKey } = kind.startsWith("RSA")
    ? generateKeyPairSync("rsa", { modulusLength: Number(kind.slice(4)) })
    : generateKeyPairSync("ec", { namedCurve: kind });
  const payload = '{"a":1}';
  const signed = `DSSEv1 16 application/json ${String(payload.length)} ${payload}`;
  const sig = sign(kind === "P-384" ? "sha384" : "sha256", Buffer.from(signed), privateKey).toString("base64");
  const envelope: Envelope = {
    payloadType: "application/json",
    payload: Buffer.from(payload).toString("base64"),
    signatures: [{ keyid: "", sig }],
  };
  return { envelope, publicPem: publicKey.export({ type: "spki", format: "pem" }).toString() };
}

describe("DSSE envelopes", () => {
  it("verify by the vector of the protocol", () => {
    expect(verifyEnvelope(HELLO, [{ publicPem: HELLO_KEY }])?.payload.toString()).toBe("hello world");
  });

  it("verify under keys of P-256, P-384 and RSA, and not under curves and lengths that are not asked for", () => {
    for (const kind of ["P-256", "P-384", "RSA-2048"] as const) {
      const { envelope, publicPem } = foreign(kind);
      expect(verifyEnvelope(envelope, [{ publicPem }])?.payload.toString(), kind).toBe('{"a":1}');
    }
    for (const kind of ["P-521", "RSA-1024"] as const) {
      const { envelope, publicPem } = foreign(kind);
      const payloadType = "application/json";
      expect(verifyEnvelope({ ...envelope, payloadType }, [{ publicPem }]), kind).toBeUndefined();
    }
  });

  it("say which of the keys signed, whatever the hint in them says", () => {
    const [one, other] = [makeSigningKey(), makeSigningKey()];
    const envelope = signEnvelope(IN_TOTO_PAYLOAD_TYPE, "{}", { ...one, keyId: other.keyId });
    expect(envelope.signatures[0]?.keyid).toBe(other.keyId);
    expect(verifyEnvelope(envelope, [{ publicPem: "nonsense" }, other, one])?.key).toBe(one);
    expect(verifyEnvelope(envelope, [other])).toBeUndefined();
    expect(verifyEnvelope(envelope, [])).toBeUndefined();
  });

  it("are the same for the same payload and key, and take text beyond ASCII", () => {
    const key = makeSigningKey();
    const text = statementText([{ name: "ü", digest: { sha256: "00" } }], "https://example.org/p", {
      why: "größer 🙂",
    });
    expect(signEnvelope(IN_TOTO_PAYLOAD_TYPE, text, key)).toEqual(signEnvelope(IN_TOTO_PAYLOAD_TYPE, text, key));
    expect(verifyEnvelope(signEnvelope(IN_TOTO_PAYLOAD_TYPE, text, key), [key])?.payload.toString()).toBe(text);
  });

  it("do not verify once a byte of payload, type or signature is another", () => {
    const key = makeSigningKey();
    const envelope = signEnvelope("text/plain", "what was said", key);
    const sig = Buffer.from(envelope.signatures[0]?.sig ?? "", "base64");
    const payload = Buffer.from(envelope.payload, "base64");
    const changed: Envelope[] = [{ ...envelope, payloadType: "text/plaim" }];
    for (let at = 0; at < payload.length; at++) {
      const other = Buffer.from(payload);
      other[at] = (other[at] ?? 0) ^ 1;
      changed.push({ ...envelope, payload: other.toString("base64") });
    }
    for (let at = 0; at < sig.length; at++) {
      const other = Buffer.from(sig);
      other[at] = (other[at] ?? 0) ^ 1;
      changed.push({ ...envelope, signatures: [{ keyid: key.keyId, sig: other.toString("base64") }] });
    }
    changed.push({ ...envelope, signatures: [{ keyid: "", sig: sig.subarray(1).toString("base64") }] });
    changed.push({ ...envelope, signatures: [{ keyid: "", sig: "" }] });
    expect(verifyEnvelope(envelope, [key])).toBeDefined();
    for (const one of changed) expect(verifyEnvelope(one, [key])).toBeUndefined();
  });

  it("are read out of JSON, with members that nobody knows left out", () => {
    expect(readEnvelope(JSON.stringify({ ...HELLO, more: true }))).toEqual(HELLO);
    expect(readEnvelope(JSON.stringify({ ...HELLO, signatures: [{ sig: "AA==" }] }))?.signatures[0]?.keyid).toBe("");
  });

  it("are not read out of anything else", () => {
    const many = Array.from({ length: 17 }, () => ({ sig: "AA==" }));
    for (const text of [
      "",
      "[]",
      "null",
      "{}",
      '"text"',
      JSON.stringify({ ...HELLO, payload: "aGVsbG8*" }),
      JSON.stringify({ ...HELLO, payload: 1 }),
      JSON.stringify({ ...HELLO, payloadType: null }),
      JSON.stringify({ ...HELLO, signatures: [] }),
      JSON.stringify({ ...HELLO, signatures: [1] }),
      JSON.stringify({ ...HELLO, signatures: [{ keyid: 1, sig: "" }] }),
      JSON.stringify({ ...HELLO, signatures: many }),
    ])
      expect(readEnvelope(text), text).toBeUndefined();
  });
});

describe("signing keys", () => {
  it("are named by the digest of their public half, in whatever way its PEM is written", () => {
    const key = makeSigningKey();
    expect(key.keyId).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(keyIdOf(key.publicPem)).toBe(key.keyId);
    expect(keyIdOf(key.publicPem.trimEnd())).toBe(key.keyId);
    expect(makeSigningKey().keyId).not.toBe(key.keyId);
    expect(() => keyIdOf("no key")).toThrow();
  });
});
