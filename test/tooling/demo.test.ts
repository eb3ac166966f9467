// The demo's own judgement, and its lint step on a planted offence. Not here: the whole demo, which CI runs.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { brokenPromises } from "../../scripts/demo/promises.ts";
import type { Judged, Told } from "../../scripts/demo/promises.ts";
import { maestro } from "../cli/command.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "maestro demo-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

describe("the demo's report", () => {
  const no = (...rules: readonly string[]): Judged => ({
    passed: false,
    message: "no",
    failed_rules: rules,
    verdicts: rules.map((rule) => `${rule} FAILED`),
  });
  const pack = { id: "pack_1", file: "release.tar.gz", sha256: "", key_id: "sha256:1", verified: true };
  const release = {
    before: no("run.succeeded", "provenance.present", "risk.present"),
    after: { passed: true, message: "yes", failed_rules: [], verdicts: ["run.succeeded PASSED"] },
    tampered: no("provenance.subject"),
    pack,
  };
  const kept: Told = {
    kill: { step: "types", executor_id: "exec_1", fencing_before: 1, fencing_after: 2, survived_by_id: "exec_2" },
    executors: [1, 2, 3].map((n) => ({ executor_id: `exec_${n}`, succeeded: n })),
    steps: Array.from({ length: 12 }, (_, i) => ({ key: `step_${i}`, state: "SUCCEEDED" })),
    release,
  };
  beforeEach(() => writeFileSync(join(folder, pack.file), "a pack"));

  function leave(files: Readonly<Record<string, string>>): void {
    const sums = Object.entries(files).map(([name, text]) => {
      writeFileSync(join(folder, name), text);
      return `${createHash("sha256").update(text).digest("hex")}  ${name}\n`;
    });
    writeFileSync(join(folder, "SHA256SUMS"), sums.join(""));
  }

  test("is believed when it says what was promised", () => {
    leave({ "maestro-1.tgz": "a", "sbom.cdx.json": "{}" });
    expect(brokenPromises(kept, folder)).toEqual([]);
  });

  test("is not believed when a step was not taken over by another executor under a higher fencing number", () => {
    leave({ "maestro-1.tgz": "a", "sbom.cdx.json": "{}" });
    const same = { ...kept, kill: { ...kept.kill, fencing_after: 1, survived_by_id: "exec_1" } };
    expect(brokenPromises(same, folder)).toEqual([
      expect.stringMatching(/^step types .*higher fencing number: 1 before the kill, 1 after/),
      "step types was not taken over by another executor",
    ]);
  });

  test("is not believed with few steps, few executors, or a step that failed", () => {
    leave({ "maestro-1.tgz": "a", "sbom.cdx.json": "{}" });
    const few = { ...kept, executors: kept.executors.slice(0, 1), steps: [{ key: "lint", state: "FAILED" }] };
    expect(brokenPromises(few, folder)).toEqual([
      "the plan has 1 steps, fewer than 12",
      "step lint is FAILED",
      "1 executors performed steps, fewer than 2",
    ]);
  });

  test("is not believed when the gate let pass what it must not, or the pack does not verify", () => {
    leave({ "maestro-1.tgz": "a", "sbom.cdx.json": "{}" });
    rmSync(join(folder, pack.file));
    const { before, after } = release;
    const wrong = {
      before: after,
      after: before,
      tampered: no("sbom.subject"),
      pack: { ...pack, verified: false },
    };
    expect(brokenPromises({ ...kept, release: wrong }, folder)).toEqual([
      "the gate did not ask for evidence that was not there yet",
      "the gate does not let the run pass: no",
      "the gate did not notice that the tarball was tampered with",
      "the disclosure pack does not verify without a server",
      "release.tar.gz is not there",
    ]);
  });

  test("is not believed when the files are not those that were summed", () => {
    expect(brokenPromises(kept, folder)).toEqual(["there is no SHA256SUMS"]);
    leave({ "maestro-1.tgz": "a", "other.txt": "b" });
    writeFileSync(join(folder, "maestro-1.tgz"), "c");
    rmSync(join(folder, "other.txt"));
    expect(brokenPromises(kept, folder)).toEqual([
      "maestro-1.tgz is not what was summed",
      "other.txt is not there",
      "SHA256SUMS names no *.cdx.json",
    ]);
  });
});

test(
  "the demo's lint step fails on a planted offence, and the linter's lines are shown",
  { timeout: 60_000 },
  async () => {
    for (const file of ["package.json", "tsconfig.json", "eslint.config.js"])
      copyFileSync(join(root, file), join(folder, file));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "dir");
    mkdirSync(join(folder, "src/engine"), { recursive: true });
    writeFileSync(join(folder, "src/engine/planted.ts"), "export const planted = Date.now();\n");
    const demo = parse(readFileSync(join(root, "examples/release.yaml"), "utf8")) as {
      readonly goal: object;
      readonly steps: Readonly<Record<string, object>>;
    };
    const steps = { lint_code: { ...demo.steps["lint_code"], needs: [] } };
    writeFileSync(join(folder, "plan.yaml"), JSON.stringify({ charter: { name: "lint" }, goal: demo.goal, steps }));
    const applied = maestro(["apply", "plan.yaml", "--local", "--data-dir", "data"], { cwd: folder });
    try {
      const { code, out, err } = await applied.ended;
      expect(`${out}${err}`).toMatch(/planted\.ts[^]*no-restricted-globals/);
      expect(out).toMatch(/lint_code FAILED/);
      expect(code).toBe(1);
    } finally {
      applied.signal("SIGKILL");
    }
  },
);
