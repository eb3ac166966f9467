// Which Node the library needs, said by its import: an older one would fail later, in words that help nobody.
import { createRequire } from "node:module";

/** What to tell when `version`, such as `v20.1.0`, is older than `needed`, such as `>=22.13`. */
export function nodeProblem(version: string, needed: string): string | undefined {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  const [neededMajor = 0, neededMinor = 0] = needed.replace(/^>=/, "").split(".").map(Number);
  if (major > neededMajor || (major === neededMajor && minor >= neededMinor)) return undefined;
  return `maestro/executor needs Node ${neededMajor}.${neededMinor} or newer; this is ${version}.`;
}

const { engines } = createRequire(import.meta.url)("maestro/package.json") as { readonly engines: { node: string } };
const problem = nodeProblem(process.version, engines.node);
if (problem !== undefined) throw new Error(problem);
