// A scratch folder in which stubs are generated from the contract by a template of the repository, and a client is built: nothing
// is written into the checkout. Not here: how each language is built.
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeThirdPartyProtos } from "../../scripts/proto/third-party.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PACKAGES = join(ROOT, "node_modules");

export class Workshop {
  /** Laid out like the checkout, as far as generators read it. */
  readonly folder: string;
  /** The client's own sources, below the folder. */
  readonly client: string;
  readonly #language: string;

  constructor(language: string) {
    this.#language = language;
    this.folder = mkdtempSync(join(tmpdir(), `maestro-${language}-`));
    this.client = join(this.folder, "test", "clients", language);
    for (const path of ["proto", "buf.yaml", `buf.gen.${language}.yaml`, `test/clients/${language}`]) {
      cpSync(join(ROOT, path), join(this.folder, path), {
        recursive: true,
        filter: (source) => !/[/\\](\.venv|__pycache__|gen|generated|target|released\.binpb)$/.test(source),
      });
    }
    writeThirdPartyProtos(PACKAGES, join(this.folder, "build", "protos"));
  }

  /** Generates what an executor needs, with these folders first on the path; says where the stubs are. */
  async generate(...path: readonly string[]): Promise<string> {
    const template = ["--template", `buf.gen.${this.#language}.yaml`];
    await this.run("buf", ["generate", ...template, "--type", "maestro.v1.DispatchService"], {
      cwd: this.folder,
      path,
    });
    return join(this.folder, "build", "stubs", this.#language);
  }

  /** Runs a tool to its end; throws with its words when that is not a success. */
  async run(
    program: string,
    args: readonly string[],
    {
      cwd = this.client,
      path = [],
      env = {},
    }: { readonly cwd?: string; readonly path?: readonly string[]; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<string> {
    const folders = [...path, join(PACKAGES, ".bin"), process.env["PATH"] ?? ""].join(delimiter);
    const options = { cwd, env: { ...process.env, ...env, PATH: folders }, maxBuffer: 16 * 1024 * 1024 };
    return await new Promise((resolve, reject) => {
      // Not in one breath with the test: a build of a minute would keep the runner from hearing of its worker.
      execFile(program, args, options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${program} ${args.join(" ")} failed: ${error.message}\n${stdout}${stderr}`));
      });
    });
  }

  clear(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
