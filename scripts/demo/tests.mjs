// A step of the demo: runs a part of the tests, and hands over their report.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { artifact, output } from "./outputs.mjs";

const [folder, ...files] = process.argv.slice(2);
const file = "test_report.xml";
const reporters = ["--reporter=default", "--reporter=junit", `--outputFile.junit=${join(folder, file)}`];
// Its lines as they come.
const { status } = spawnSync("npm", ["run", "--silent", "test", "--", ...reporters, ...files], {
  stdio: "inherit",
  shell: process.platform === "win32",
});
if (status !== 0) throw new Error(`the tests ended with exit code ${status}`);
artifact("test_report", join(folder, file), "application/xml");
output({ file });
