// Files that commands hand over as artifacts: named by lines in MAESTRO_ARTIFACTS, kept by a real server, named in the outcome.
// Not here: artifacts of handlers, see library-artifacts.test.ts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { contentOfFile } from "../../src/executor/shell/artifacts-file.ts";
import { Stage, planIn } from "../cli/stage.ts";
import { digestOf } from "../support/artifacts.ts";
import { run } from "./shell-support.ts";

const posix = test.skipIf(process.platform === "win32");
const folder = mkdtempSync(join(tmpdir(), "maestro shell artifacts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("lines are read in order; names are the files' own unless given, paths are of the command's folder", async () => {
  const lines = [{ path: "out/a.tgz" }, { name: "sbom", path: "/b.json", content_type: "application/json" }];
  const script = `printf '%s\\n\\n' '${lines.map((line) => JSON.stringify(line)).join("' '")}' > "$MAESTRO_ARTIFACTS"`;
  expect((await run({ run: script, cwd: folder })).artifacts).toEqual([
    { name: "a.tgz", path: join(folder, "out/a.tgz") },
    { name: "sbom", path: "/b.json", contentType: "application/json" },
  ]);
});

test("none and an empty file are no artifacts", async () => {
  for (const script of ["true", ': > "$MAESTRO_ARTIFACTS"']) {
    const result = await run({ run: script });
    expect(result).not.toHaveProperty("artifacts");
    expect(result).not.toHaveProperty("artifactsError");
  }
});

posix.each([
  ['echo "{oops" > "$MAESTRO_ARTIFACTS"', /^Line 1 of the artifacts file is not JSON/],
  ['echo "[]" > "$MAESTRO_ARTIFACTS"', /Line 1 .* must hold a JSON object/],
  [`printf '{"path":"a"}\\n{"name":"b"}' > "$MAESTRO_ARTIFACTS"`, /Line 2 .* must name a file by `path`/],
  [`echo '{"path":"a","name":""}' > "$MAESTRO_ARTIFACTS"`, /must have a `name`/],
  [`echo '{"path":"a","type":"x"}' > "$MAESTRO_ARTIFACTS"`, /has the key "type"; known are/],
  [`yes '{"path":"a"}' | head -65 > "$MAESTRO_ARTIFACTS"`, /names 65 files; at most 64/],
  ['head -c 300000 /dev/zero > "$MAESTRO_ARTIFACTS"', /has 300000 bytes/],
  ['ln -s /etc/passwd "$MAESTRO_ARTIFACTS"', /it is a link/],
])("lines that are unfit are an error beside the result: %s", async (script, message) => {
  const result = await run({ run: script });
  expect(result.exitCode).toBe(0);
  expect(result).not.toHaveProperty("artifacts");
  expect(result.artifactsError).toMatch(message);
});

posix("what the executor may read of itself in /proc is not handed out, and pipes are not waited for", async () => {
  const read = async (path: string): Promise<number> => {
    let bytes = 0;
    for await (const chunk of contentOfFile(path)) bytes += chunk.length;
    return bytes;
  };
  if (process.platform === "linux") expect(await read("/proc/self/environ")).toBe(0);
  await run({ run: "mkfifo pipe", cwd: folder });
  await expect(read(join(folder, "pipe"))).rejects.toThrow("no regular file");
  await expect(read(folder)).rejects.toThrow("no regular file");
});

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
  await stage.executor("keeper");
});
afterAll(() => stage.close());

test("files are kept by the server and named in the outcome", { timeout: 60_000 }, async () => {
  writeFileSync(join(folder, "app.tgz"), "content");
  const line = JSON.stringify({ name: "tarball", path: "app.tgz", content_type: "application/gzip" });
  const input = { run: `echo '${line}' > "$MAESTRO_ARTIFACTS"`, cwd: folder };
  const steps = `  pack: { capability: shell, produces: [tarball], input: ${JSON.stringify(input)} }
  use: { capability: shell, consumes: [tarball], input: { run: "true" } }
`;
  const { out, err, code } = await stage.run(["apply", stage.file("packing", steps)]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const { attempts } = await stage.client.steps.listAttempts({ planId: planIn(out), step: "pack" });
  const digest = digestOf(Buffer.from("content"));
  expect(attempts[0]?.artifacts).toMatchObject([
    { name: "tarball", uri: `max://artifact/${digest}`, contentType: "application/gzip", sizeBytes: 7n },
  ]);
});

test("a file that is not there fails the step for good", { timeout: 60_000 }, async () => {
  const input = { run: `echo '{"path":"absent.tgz"}' > "$MAESTRO_ARTIFACTS"`, cwd: folder };
  const steps = `  pack: { capability: shell, retry: { max: 3 }, input: ${JSON.stringify(input)} }\n`;
  const { code, out, err } = await stage.run(["apply", stage.file("missing", steps)]);
  expect(code).toBe(1);
  expect(err).toContain('artifact "absent.tgz" cannot be read: ENOENT');
  const { steps: done } = await stage.client.steps.listSteps({ planId: planIn(out) });
  expect(done[0]?.attempt).toBe(1);
});
