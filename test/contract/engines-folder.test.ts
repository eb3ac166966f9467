// The data folder, apart from any cluster in it: how it is made, and where none can be. Not here: the engine in it, see engines-embedded.test.ts.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openFolder } from "../../src/store/postgres/engines/embedded-folder.ts";

const scratch = mkdtempSync(join(tmpdir(), "maestro folder-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("a folder is made with all that leads to it, closed to others, and taken as it is the next time", async () => {
  const wanted = join(scratch, "a", "b", "c");
  const made = await openFolder(wanted);
  expect(statSync(made).mode & 0o066).toBe(0);
  expect(await openFolder(`${wanted}/.`)).toBe(made);
});

// In a process of its own: what it once did there never gave the thread back, to a test's time limit either.
test.skipIf(process.platform !== "linux").each(["/proc/absent", "/proc/absent/below", "/proc/self/absent"])(
  "%s, where nothing can be made, is refused instead of tried for ever",
  (folder) => {
    const source = new URL("../../src/store/postgres/engines/embedded-folder.ts", import.meta.url).href;
    const script = `const { openFolder } = await import(${JSON.stringify(source)});
      process.stdout.write(await openFolder(${JSON.stringify(folder)}).catch((error) => error.reason + ": " + error.message));`;
    const flags = ["--experimental-strip-types", "--disable-warning=ExperimentalWarning", "--input-type=module"];
    const { stdout, signal } = spawnSync(process.execPath, [...flags, "-e", script], {
      timeout: 30_000,
      killSignal: "SIGKILL",
      encoding: "utf8",
    });
    expect(signal).toBeNull();
    expect(stdout).toMatch(/^folder-unusable: .*no folder can be made there/);
  },
);
