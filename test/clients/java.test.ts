// The executor in Java, on stubs generated from the contract. Not here: what it has to show (interop.ts).
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { testExecutorIn } from "./interop.ts";

const OLDEST = 17;
const [, version = "0"] = /javac (\d+)/.exec(spawnSync("javac", ["-version"], { encoding: "utf8" }).stdout ?? "") ?? [];
const maven = spawnSync("mvn", ["-version"], { stdio: "ignore" }).status === 0;

testExecutorIn({
  name: "java",
  missing: Number(version) < OLDEST || !maven ? `Install a JDK ${OLDEST} or newer, and Maven.` : undefined,
  build: async (workshop) => {
    const quietly = ["--quiet", "--batch-mode"];
    await workshop.run("mvn", [...quietly, "initialize"]);
    const generators = join(workshop.client, "target", "protoc");
    for (const name of readdirSync(generators)) chmodSync(join(generators, name), 0o755);
    cpSync(await workshop.generate(generators), join(workshop.client, "src", "generated"), { recursive: true });
    await workshop.run("mvn", [...quietly, "prepare-package"]);
    const classpath = [join(workshop.client, "target", "classes"), join(workshop.client, "target", "lib", "*")].join(
      ":",
    );
    return ["java", "-XX:TieredStopAtLevel=1", "-Xmx128m", "-cp", classpath, "executor.Main"];
  },
});
