// What the demo's steps share: handing outputs and artifacts to Maestro, running npm. Plain JavaScript, so that any Node runs it.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";

/** Values that other steps refer to. */
export function output(values) {
  if (process.env.MAESTRO_OUTPUTS !== undefined) writeFileSync(process.env.MAESTRO_OUTPUTS, JSON.stringify(values));
  for (const [name, value] of Object.entries(values)) console.log(`${name}: ${value}`);
}

/** A file that Maestro keeps, as an artifact of the step and its run. */
export function artifact(name, path, content_type) {
  if (process.env.MAESTRO_ARTIFACTS !== undefined)
    appendFileSync(process.env.MAESTRO_ARTIFACTS, `${JSON.stringify({ name, path, content_type })}\n`);
}

/** What npm prints; npm is a script file on Windows, which only a shell starts. */
export function npm(...args) {
  const { status, stdout, stderr } = spawnSync("npm", args, {
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    shell: process.platform === "win32",
    env: { ...process.env, NO_UPDATE_NOTIFIER: "1" },
  });
  if (status === 0) return stdout;
  process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  throw new Error(`npm ${args.join(" ")} ended with exit code ${status}`);
}

export function sha256(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
