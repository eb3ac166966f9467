// A step of the demo: assesses what comes with the tarball, from the bill of materials, the lock file and the tarball itself.
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { artifact, output, sha256 } from "./outputs.mjs";

/** Licences that oblige whoever passes the package on. */
const STRONG = /\b(A?GPL|SSPL|BUSL|EUPL)\b/i;

const [folder, tarball, bill] = process.argv.slice(2);
const { components } = JSON.parse(readFileSync(join(folder, bill), "utf8"));
const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync("package.json", "utf8"));

const named = components.map(({ name, version, licenses = [] }) => ({
  name: `${name}@${version}`,
  licence: licenses.map(({ license, expression }) => expression ?? license?.id ?? license?.name).join(" AND "),
}));
const licences = {};
for (const { licence } of named) licences[licence || "none"] = (licences[licence || "none"] ?? 0) + 1;
const scripts = Object.entries(packages)
  .filter(([path, { hasInstallScript, dev }]) => path !== "" && hasInstallScript === true && dev !== true)
  .map(([path]) => path.replace(/^.*node_modules\//, ""));
const findings = [
  ...named.filter(({ licence }) => licence === "").map(({ name }) => `${name} names no licence`),
  ...named.filter(({ licence }) => STRONG.test(licence)).map(({ name, licence }) => `${name} is under ${licence}`),
  ...scripts.map((name) => `${name} runs a script when it is installed`),
];
const assessment = {
  subject: { name: tarball, sha256: sha256(join(folder, tarball)), bytes: statSync(join(folder, tarball)).size },
  dependencies: {
    direct: Object.keys({ ...dependencies, ...optionalDependencies }).length,
    all: components.length,
    licences,
    with_install_scripts: scripts,
  },
  findings,
  level: findings.length === 0 ? "low" : "moderate",
};
const file = "risk-assessment.json";
writeFileSync(join(folder, file), `${JSON.stringify(assessment, null, 2)}\n`);
artifact("risk_assessment", join(folder, file), "application/json");
output({ file, level: assessment.level, findings: findings.length });
