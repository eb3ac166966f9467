// The executor in Go, on stubs generated from the contract. Not here: what it has to show (interop.ts).
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { testExecutorIn } from "./interop.ts";

const go = process.env["MAESTRO_TEST_GO"] ?? "go";
// As it is installed: go would otherwise fetch a newer one of itself.
const env = { GOTOOLCHAIN: "local", CGO_ENABLED: "0" };
const [, major = "0", minor = "0"] =
  /go(\d+)\.(\d+)/.exec(spawnSync(go, ["env", "GOVERSION"], { encoding: "utf8" }).stdout ?? "") ?? [];

testExecutorIn({
  name: "go",
  missing:
    Number(major) * 1000 + Number(minor) < 1026
      ? "Install Go 1.26 or newer, or name one with MAESTRO_TEST_GO."
      : undefined,
  build: async (workshop) => {
    const tools = join(workshop.folder, "bin");
    await workshop.run(go, ["install", "tool"], { env: { ...env, GOBIN: tools } });
    cpSync(await workshop.generate(tools), join(workshop.client, "gen"), { recursive: true });
    await workshop.run(go, ["build", "-o", join(workshop.folder, "executor"), "."], { env });
    return [join(workshop.folder, "executor")];
  },
});
