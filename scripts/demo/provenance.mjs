// A step of the demo: says what was built from what, as SLSA provenance 1.0 in an in-toto statement, signed in a DSSE envelope.
import { createHash, createPublicKey, sign } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifact, output, sha256 } from "./outputs.mjs";
import { BUILDER, PRIVATE_KEY } from "./provenance-key.mjs";

const [folder, tarball] = process.argv.slice(2);
const { MAESTRO_PLAN: plan = "", MAESTRO_STEP: step = "", MAESTRO_FENCING: fencing = "" } = process.env;
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const statement = {
  _type: "https://in-toto.io/Statement/v1",
  subject: [{ name: tarball, digest: { sha256: sha256(join(folder, tarball)) } }],
  predicateType: "https://slsa.dev/provenance/v1",
  predicate: {
    buildDefinition: {
      buildType: "urn:maestro:build:npm-pack",
      externalParameters: { package: "maestro", version },
      internalParameters: { node: process.version },
      // What npm ci installs from, and so what the build began with.
      resolvedDependencies: ["package.json", "package-lock.json"].map((name) => ({
        name,
        digest: { sha256: sha256(name) },
      })),
    },
    runDetails: {
      builder: { id: BUILDER },
      metadata: { invocationId: `${plan}/${step}/${fencing}`, finishedOn: new Date().toISOString() },
    },
  },
};

const key = readFileSync(PRIVATE_KEY, "utf8");
const payloadType = "application/vnd.in-toto+json";
const payload = Buffer.from(JSON.stringify(statement));
// What is signed: the type and the payload, each with its length before it.
const signed = Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `), payload]);
const spki = createPublicKey(key).export({ format: "der", type: "spki" });
const keyid = `sha256:${createHash("sha256").update(spki).digest("hex")}`;
const signatures = [{ keyid, sig: sign(null, signed, key).toString("base64") }];

const file = "provenance.intoto.json";
writeFileSync(
  join(folder, file),
  `${JSON.stringify({ payloadType, payload: payload.toString("base64"), signatures })}\n`,
);
artifact("provenance", join(folder, file), payloadType);
output({ file, builder: BUILDER, key: keyid });
