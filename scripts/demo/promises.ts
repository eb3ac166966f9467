// What the demo promises, held against its own report and against the files it left. Not here: times, which are the machine's
// as much as ours; CI holds those.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What the release gate said. */
export interface Judged {
  readonly passed: boolean;
  readonly message: string;
  readonly failed_rules: readonly string[];
  /** Each rule that had something to judge, and what it said. */
  readonly verdicts: readonly string[];
}

export interface Released {
  /** When the tarball was there, and its evidence was not. */
  readonly before: Judged;
  readonly after: Judged;
  /** Of the same evidence with another tarball. */
  readonly tampered: Judged;
  readonly pack: {
    readonly id: string;
    readonly file: string;
    readonly sha256: string;
    readonly key_id: string;
    /** Without a server. */
    readonly verified: boolean;
  };
}

/** The part of the report that is judged. */
export interface Told {
  readonly kill: {
    readonly step: string;
    readonly executor_id: string;
    readonly fencing_before: number;
    readonly fencing_after: number;
    readonly survived_by_id: string;
  };
  readonly executors: readonly { readonly executor_id: string; readonly succeeded: number }[];
  readonly steps: readonly { readonly key: string; readonly state: string }[];
  readonly release: Released;
}

const LEAST_STEPS = 12;
const LEAST_EXECUTORS = 2;

/** One sentence for each promise that was not kept; `folder` holds what the demo leaves. */
export function brokenPromises({ kill, executors, steps, release }: Told, folder: string): string[] {
  const broken: string[] = [];
  if (steps.length < LEAST_STEPS) broken.push(`the plan has ${steps.length} steps, fewer than ${LEAST_STEPS}`);
  for (const { key, state } of steps) if (state !== "SUCCEEDED") broken.push(`step ${key} is ${state}`);
  const performed = executors.filter(({ succeeded }) => succeeded > 0).length;
  if (performed < LEAST_EXECUTORS) broken.push(`${performed} executors performed steps, fewer than ${LEAST_EXECUTORS}`);
  if (kill.fencing_after <= kill.fencing_before)
    broken.push(
      `step ${kill.step} was not performed again under a higher fencing number: ${kill.fencing_before} before the kill, ${kill.fencing_after} after it`,
    );
  if (kill.survived_by_id === "" || kill.survived_by_id === kill.executor_id)
    broken.push(`step ${kill.step} was not taken over by another executor`);
  return [...broken, ...brokenRelease(release, folder), ...brokenSums(folder)];
}

function brokenRelease({ before, after, tampered, pack }: Released, folder: string): string[] {
  const lacks = ["provenance.present", "risk.present"].filter((rule) => !before.failed_rules.includes(rule));
  return [
    ...(before.passed || lacks.length > 0 ? ["the gate did not ask for evidence that was not there yet"] : []),
    ...(after.passed ? [] : [`the gate does not let the run pass: ${after.message}`]),
    ...(tampered.passed || !tampered.failed_rules.includes("provenance.subject")
      ? ["the gate did not notice that the tarball was tampered with"]
      : []),
    ...(pack.verified ? [] : ["the disclosure pack does not verify without a server"]),
    ...(existsSync(join(folder, pack.file)) ? [] : [`${pack.file} is not there`]),
  ];
}

function brokenSums(folder: string): string[] {
  const sums = join(folder, "SHA256SUMS");
  if (!existsSync(sums)) return ["there is no SHA256SUMS"];
  const lines = readFileSync(sums, "utf8").trimEnd().split("\n");
  const files = lines.map((line) => /^([0-9a-f]{64}) {2}(.+)$/.exec(line));
  const broken = files.flatMap((match, i) => {
    if (match === null) return [`line ${i + 1} of SHA256SUMS is none`];
    const [, sum, name = ""] = match;
    const file = join(folder, name);
    if (!existsSync(file)) return [`${name} is not there`];
    return createHash("sha256").update(readFileSync(file)).digest("hex") === sum
      ? []
      : [`${name} is not what was summed`];
  });
  for (const ending of [".tgz", ".cdx.json"])
    if (!files.some((match) => match?.[2]?.endsWith(ending) === true)) broken.push(`SHA256SUMS names no *${ending}`);
  return broken;
}
