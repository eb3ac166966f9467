// What the project does with its contract: generate code from it, judge it, and release it. Every step works offline and
// on any checkout folder, so that a test can plant mistakes in a copy.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { referencePages } from "./reference.ts";
import { writeThirdPartyProtos } from "./third-party.ts";

/** A checkout: the folder that holds buf.yaml and proto/, and the node_modules that its tools come from. */
export interface Checkout {
  readonly root: string;
  readonly packages: string;
}

/** What one check found. `detail` is what to show to whoever must mend it. */
export interface Finding {
  readonly check: "lint" | "format" | "drift" | "breaking" | "reference";
  readonly passed: boolean;
  readonly detail: string;
}

/** Image of the last released contract, the thing that clients in the field were generated from. */
export const RELEASED_IMAGE = "proto/released.binpb";

/** Pages written from the contract. */
const REFERENCE = "docs/api";

/** Writes gen/ and the reference anew. */
export function generate(checkout: Checkout): void {
  prepare(checkout);
  mustRun(checkout, ["generate"]);
  const folder = join(checkout.root, REFERENCE);
  rmSync(folder, { recursive: true, force: true });
  writeReference(checkout, folder);
}

function writeReference(checkout: Checkout, folder: string): void {
  const scratch = mkdtempSync(join(tmpdir(), "image-"));
  try {
    const image = join(scratch, "image.binpb");
    mustRun(checkout, ["build", "proto", "-o", image]);
    mkdirSync(folder, { recursive: true });
    for (const [name, text] of referencePages(readFileSync(image))) writeFileSync(join(folder, name), text);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Makes the present contract the released one. */
export function release(checkout: Checkout): void {
  prepare(checkout);
  mustRun(checkout, ["build", "proto", "--exclude-source-info", "-o", RELEASED_IMAGE]);
}

/** All checks, each always run, so that one visit shows everything. */
export function check(checkout: Checkout): readonly Finding[] {
  prepare(checkout);
  return [checkLint(checkout), checkFormat(checkout), checkDrift(checkout), checkBreaking(checkout), checkReference(checkout)];
}

export function checkLint(checkout: Checkout): Finding {
  return finding("lint", buf(checkout, ["lint"]));
}

export function checkFormat(checkout: Checkout): Finding {
  return finding("format", buf(checkout, ["format", "proto", "--diff", "--exit-code"]));
}

/**
 * The contract may grow, but what was released keeps its meaning on the wire and in JSON. Imported files are others' to
 * keep: the well-known ones come with buf, and their private parts differ from one version of buf to the next.
 */
export function checkBreaking(checkout: Checkout): Finding {
  if (!existsSync(join(checkout.root, RELEASED_IMAGE))) {
    return { check: "breaking", passed: false, detail: `${RELEASED_IMAGE} is missing; \`npm run proto:release\` makes it` };
  }
  return finding("breaking", buf(checkout, ["breaking", "proto", "--against", RELEASED_IMAGE, "--exclude-imports"]));
}

/** Generated code is committed, so it must be byte for byte what the contract gives. */
export function checkDrift(checkout: Checkout): Finding {
  const fresh = mkdtempSync(join(tmpdir(), "generated-"));
  try {
    const run = buf(checkout, ["generate", "--output", fresh]);
    if (!run.passed) return finding("drift", run);
    return compared("drift", join(fresh, "gen"), checkout.root, "gen");
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** The reference is committed as well. */
export function checkReference(checkout: Checkout): Finding {
  const fresh = mkdtempSync(join(tmpdir(), "reference-"));
  try {
    writeReference(checkout, fresh);
    return compared("reference", fresh, checkout.root, REFERENCE);
  } catch (error) {
    return { check: "reference", passed: false, detail: error instanceof Error ? error.message : String(error) };
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

function compared(check: Finding["check"], fresh: string, root: string, folder: string): Finding {
  const differences = compareFolders(fresh, join(root, folder));
  const detail = differences.map((line) => `${folder}/${line}`).join("\n");
  return {
    check,
    passed: differences.length === 0,
    detail: detail === "" ? "" : `${detail}\n\`npm run generate\` mends this`,
  };
}

/** Makes what buf needs besides our own files. */
export function prepare(checkout: Checkout): void {
  writeThirdPartyProtos(checkout.packages, join(checkout.root, "build/protos"));
}

function compareFolders(expected: string, actual: string): string[] {
  const wanted = listFiles(expected);
  const present = listFiles(actual);
  const missing = wanted.filter((path) => !present.includes(path)).map((path) => `${path} is missing`);
  const surplus = present.filter((path) => !wanted.includes(path)).map((path) => `${path} has no source`);
  const changed = wanted
    .filter((path) => present.includes(path))
    .filter((path) => !readFileSync(join(expected, path)).equals(readFileSync(join(actual, path))))
    .map((path) => `${path} differs`);
  return [...missing, ...surplus, ...changed];
}

function listFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

interface Run {
  readonly passed: boolean;
  readonly output: string;
}

/** The launcher of the npm package is a script of its own, which finds the platform's binary. */
function buf(checkout: Checkout, args: readonly string[]): Run {
  const tools = join(checkout.packages, ".bin");
  const result = spawnSync(process.execPath, [join(checkout.packages, "@bufbuild/buf/bin/buf"), ...args], {
    cwd: checkout.root,
    encoding: "utf8",
    // buf looks the code generator up on the path.
    env: { ...process.env, PATH: `${tools}${delimiter}${process.env["PATH"] ?? ""}` },
  });
  if (result.error !== undefined) throw result.error;
  return { passed: result.status === 0, output: `${result.stdout}${result.stderr}`.trim() };
}

function mustRun(checkout: Checkout, args: readonly string[]): void {
  const run = buf(checkout, args);
  if (!run.passed) throw new Error(`buf ${args.join(" ")} failed:\n${run.output}`);
}

function finding(check: Finding["check"], run: Run): Finding {
  return { check, passed: run.passed, detail: run.output };
}
