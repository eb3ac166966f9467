// The checks of the contract do notice what they are there for: each mistake is planted in a copy of the checkout.
// That the present contract passes them is the business of `npm run proto:check`.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Checkout } from "../../scripts/proto/contract.ts";
import {
  checkBreaking,
  checkDrift,
  checkFormat,
  checkLint,
  checkReference,
  generate,
  prepare,
  release,
} from "../../scripts/proto/contract.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const planted = "proto/planted/v1/planted.proto";

let copy: Checkout;

beforeEach(() => {
  copy = { root: mkdtempSync(join(tmpdir(), "contract-")), packages: join(root, "node_modules") };
  for (const path of ["buf.yaml", "buf.gen.yaml", "proto"]) {
    cpSync(join(root, path), join(copy.root, path), { recursive: true });
  }
  prepare(copy);
});

afterEach(() => {
  rmSync(copy.root, { recursive: true, force: true });
});

function plant(...lines: readonly string[]): void {
  const path = join(copy.root, planted);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, ['syntax = "proto3";', "", "package planted.v1;", "", ...lines, ""].join("\n"));
}

describe("breaking check", () => {
  const released = ["// Thing.", "message Thing {", "  // Name.", "  string name = 1;", "}"];

  test("passes while the contract is the released one", () => {
    release(copy);
    expect(checkBreaking(copy)).toMatchObject({ passed: true });
  });

  test("passes when the contract only grows", () => {
    plant(...released);
    release(copy);
    plant(...released, "", "// Added.", "message Added {}");
    expect(checkBreaking(copy)).toMatchObject({ passed: true });
  });

  test("fails when a released field changes its type, and names file and field", () => {
    plant(...released);
    release(copy);
    plant(...released.map((line) => line.replace("string", "bool")));
    const finding = checkBreaking(copy);
    expect(finding.passed).toBe(false);
    expect(finding.detail).toContain(planted);
    expect(finding.detail).toContain('"name"');
  });

  test("fails when a released field goes without its number and name being reserved", () => {
    plant(...released);
    release(copy);
    plant("// Thing.", "message Thing {}");
    expect(checkBreaking(copy)).toMatchObject({ passed: false });
  });

  test("fails when a released service is gone", () => {
    release(copy);
    rmSync(join(copy.root, "proto/maestro/v1/maestro_service.proto"));
    const finding = checkBreaking(copy);
    expect(finding.passed).toBe(false);
    expect(finding.detail).toContain("MaestroService");
  });

  test("fails when nothing was ever released, instead of passing unseen", () => {
    rmSync(join(copy.root, "proto/released.binpb"), { force: true });
    expect(checkBreaking(copy)).toMatchObject({ passed: false });
  });
});

describe("drift check", () => {
  test("passes on freshly generated code and fails on code that was edited, forgotten or left over", () => {
    generate(copy);
    expect(checkDrift(copy)).toMatchObject({ passed: true });

    const options = join(copy.root, "gen/maestro/v1/options_pb.ts");
    writeFileSync(options, `${readFileSync(options, "utf8")}// edited\n`);
    writeFileSync(join(copy.root, "gen/maestro/v1/left_over_pb.ts"), "");
    rmSync(join(copy.root, "gen/maestro/v1/refusal_pb.ts"));

    const finding = checkDrift(copy);
    expect(finding.passed).toBe(false);
    expect(finding.detail).toContain("gen/maestro/v1/options_pb.ts differs");
    expect(finding.detail).toContain("gen/maestro/v1/left_over_pb.ts has no source");
    expect(finding.detail).toContain("gen/maestro/v1/refusal_pb.ts is missing");
  });
});

describe("reference check", () => {
  test("passes on freshly written pages, and fails when a comment, a rule or a call changed since", () => {
    generate(copy);
    expect(checkReference(copy)).toMatchObject({ passed: true });
    const page = readFileSync(join(copy.root, "docs/api/maestro_service.md"), "utf8");
    expect(page).toContain("### CommitGraph");
    expect(page).toContain("[CommitGraphRequest](maestro_service.md#commitgraphrequest)");
    expect(page).toContain("needs `map.maestro.graph.commit`");
    expect(page).toMatch(/\| `version` \| int32 \| .* \| ≥ `1` \|/);

    const source = join(copy.root, "proto/maestro/v1/maestro_service.proto");
    const before = readFileSync(source, "utf8");
    for (const [from, to] of [
      ["// The nine operations", "// All operations"],
      ["(buf.validate.field).int32.gte = 1]", "(buf.validate.field).int32.gte = 2]"],
      ["rpc CommitGraph(", "rpc CommitsGraph("],
    ] as const) {
      expect(before).toContain(from);
      writeFileSync(source, before.replace(from, to));
      expect(checkReference(copy).detail).toContain("docs/api/maestro_service.md differs");
    }
  });
});

describe("lint and format checks", () => {
  test("fail on a message without a comment", () => {
    plant("message Bare {}");
    const finding = checkLint(copy);
    expect(finding.passed).toBe(false);
    expect(finding.detail).toContain("Bare");
  });

  test("fail on a rule that cannot hold", () => {
    plant(
      'import "buf/validate/validate.proto";',
      "",
      "// Impossible.",
      "message Impossible {",
      "  // Name.",
      "  string name = 1 [(buf.validate.field).string = {min_len: 3, max_len: 2}];",
      "}",
    );
    expect(checkLint(copy).detail).toMatch(/min_len.*max_len/s);
  });

  test("fail on a file that is not formatted", () => {
    plant("// Loose.", "message   Loose { }");
    expect(checkFormat(copy)).toMatchObject({ passed: false });
  });
});
