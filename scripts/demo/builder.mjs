// Makes the key that the demo's builder signs provenance with, unless there is one. The charter of examples/release.yaml trusts its
// public half, so it must be there before the plan is applied.
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { PRIVATE_KEY, PUBLIC_KEY } from "./provenance-key.mjs";

if (!existsSync(PRIVATE_KEY) || !existsSync(PUBLIC_KEY)) {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  mkdirSync(dirname(PRIVATE_KEY), { recursive: true });
  writeFileSync(PRIVATE_KEY, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  writeFileSync(PUBLIC_KEY, publicKey.export({ format: "pem", type: "spki" }));
}
console.log(`the builder's key: ${PUBLIC_KEY}`);
