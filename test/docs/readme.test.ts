// Every command and snippet of the documents is executed, against a real server where it wants one. Not here: whether links
// lead somewhere, see scripts/check-docs.ts.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { NODE, Running } from "../cli/command.ts";
import { Stage } from "../cli/stage.ts";
import { ROOT, commands, only, snippets } from "./snippets.ts";

const { scripts, bin, engines } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly scripts: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
};

/** What no test can run, each with the reason. That its script is there is tested. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "npm ci": "it installs what this test runs with",
  "npm test": "it would run this test",
  "npx vitest run test/domain": "it would run tests within tests",
  "npm pack": "it builds into the checkout; the demo packs",
  "npm install": "it installs from a registry",
  "npm run demo": "it runs tests itself; CI runs it",
  "npm run check": "it takes a minute; CI runs its parts",
  "npm run bench": "it takes minutes of a quiet machine",
  "npm run bench -- --embedded": "it takes minutes of a quiet machine",
  "npm run bench -- --only artifacts": "it takes minutes of a quiet machine",
  "npm run bench -- --only conductor": "it takes minutes of a quiet machine",
  "npm run format": "it writes into the checkout",
  "npm run generate": "it writes into the checkout",
  "npm run proto:check": "the demo and CI run it",
  "npm run proto:release": "it releases a contract",
  "npm run lint:layers": "CI runs it",
  "npm run lint:docs": "CI runs it",
  "npx maestro apply node_modules/maestro/examples/fan-out.yaml --local": ".ci/installed-package runs it",
  ".ci/run": "it runs everything else",
};
const EXECUTOR = join(ROOT, "src/executor/executor.ts");

let stage: Stage;
const running: Running[] = [];
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(async () => {
  for (const one of running) one.signal("SIGKILL");
  await Promise.all(running.map(({ ended }) => ended));
  await stage.close();
});

/** Runs an npm script's own command line in the stage's folder, where a reader would have their own project. */
function npmRun(script: string, args: readonly string[]): Running {
  const [program, ...words] = (scripts[script] ?? "").split(" ");
  expect(program).toBe("node");
  const home = join(stage.folder, "home");
  const at = words.map((word) => (word.endsWith(".ts") ? resolve(ROOT, word) : word));
  const one = new Running([process.execPath, ...at, ...args], {
    cwd: stage.folder,
    env: { XDG_DATA_HOME: home, LOCALAPPDATA: home, HOME: home, MAESTRO_PORT: "0", PATH: path() },
  });
  running.push(one);
  return one;
}

/** npm's own folder of programs comes first, as it does in its scripts. */
function path(): string {
  return `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
}

test("every command of the documents is run here, or has a reason why not and a script that is there", () => {
  const run = commands.filter((command) => /^npm (start$|run maestro -- )/.test(command));
  const rest = commands.filter((command) => !run.includes(command));
  expect(rest.filter((command) => NOT_RUN[command] === undefined)).toEqual([]);
  expect(Object.keys(NOT_RUN).filter((command) => !commands.includes(command))).toEqual([]);
  for (const command of rest) {
    const [program = "", verb = "", name = ""] = command.split(" ");
    const there =
      program === "npm"
        ? ["ci", "install", "pack"].includes(verb)
          ? existsSync(join(ROOT, "package-lock.json"))
          : (verb === "run" ? name : verb) in scripts
        : (program === "npx" && verb in bin) ||
          existsSync(join(ROOT, program === "npx" ? `node_modules/.bin/${verb}` : program));
    expect(there, command).toBe(true);
  }
  expect(snippets.filter(({ language }) => !["text", "sh", "ts", "yaml"].includes(language))).toEqual([]);
});

test("the documents ask for the Node that the package asks for", () => {
  for (const document of ["README.md", "CONTRIBUTING.md"]) {
    const asked = /Node (\d+\.\d+) or newer/.exec(readFileSync(join(ROOT, document), "utf8"))?.[1];
    expect(`>=${asked}`, document).toBe(engines.node);
  }
});

test("npm start serves where the text says", async () => {
  const read = readConfig({ flags: {}, environment: {} });
  expect(read).toMatchObject({
    ok: true,
    config: { host: "127.0.0.1", port: 8001, grpcPort: 8002, databaseUrl: null },
  });
  const server = npmRun("start", []);
  await server.line(
    /^maestro ready on http:\/\/127\.0\.0\.1:\d+ .*org default, caller local, engine embedded PostgreSQL/,
  );
  server.signal("SIGTERM");
  expect((await server.ended).code).toBe(0);
});

test("the plan file is applied by the commands that follow it", { timeout: 60_000 }, async () => {
  writeFileSync(join(stage.folder, "plan.yaml"), only("yaml").text);
  writeFileSync(
    join(stage.folder, "package.json"),
    JSON.stringify({ name: "reader", scripts: { build: "node -e 0", test: "node -e 0" } }),
  );
  const typed = commands.flatMap((command) => /^npm run maestro -- (.*)$/.exec(command)?.[1] ?? []);
  expect(typed.length).toBeGreaterThan(0);
  for (const args of typed) {
    const { code, out, err } = await npmRun("maestro", args.split(" ")).ended;
    expect(code, `${args}\n${out}${err}`).toBe(0);
  }
});

test("the commands that the text names are there", async () => {
  const { out } = await npmRun("maestro", ["--help"]).ended;
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [, table = ""] = /^\| commands \| \|\n\|---\|---\|\n((?:\|.*\|\n)+)/m.exec(readme) ?? [];
  const named = [...table.matchAll(/`([a-z]+)(?: [a-z]+)?`/g)].map(([, verb = ""]) => verb);
  expect(named.length).toBeGreaterThan(3);
  for (const verb of named) expect(out).toMatch(new RegExp(`^ {2}${verb}\\b`, "m"));
  expect(bin).toHaveProperty("maestro");
});

test(
  "the executor is at most 30 lines that compile, perform steps, refuse wrong ones for good, and drain on SIGTERM",
  { timeout: 60_000 },
  async () => {
    const { text } = only("ts");
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(30);
    expect(mistakesIn(text)).toEqual([]);

    const file = join(stage.folder, "executor.mts");
    const here = text
      .replace('"maestro/executor"', JSON.stringify(pathToFileURL(EXECUTOR).href))
      .replace("http://127.0.0.1:8002", `http://${stage.server.grpcUrl}`);
    expect(here).not.toContain("8002");
    writeFileSync(file, here);
    const executor = new Running([...NODE, file], { cwd: stage.folder });
    running.push(executor);
    const applied = await stage.run([
      "apply",
      stage.file(
        "resizing",
        `  small: { capability: resize, input: { image: cat.png, width: 640 } }
  none: { capability: resize, input: { image: cat.png, width: 0 }, retry: { max: 5 }, on_failure: carry_on }
`,
      ),
    ]);
    expect(applied.out).toMatch(/✗ none FAILED.*: width must be positive$/m);
    const planId = /plan_\w+/.exec(applied.out)?.[0] ?? "";
    const { steps } = await stage.client.steps.listSteps({ planId });
    const [small, none] = ["small", "none"].map((key) => steps.find((step) => step.key === key));
    expect(small?.outputs?.value).toEqual({ case: "json", value: '{"image":"cat.png@640"}' });
    expect(small?.usage?.moneyMicros).toBe(120n);
    expect(none?.attempt).toBe(1);
    expect((await stage.run(["logs", planId, "small"])).out).toBe("resizing cat.png to 640\n");
    executor.signal("SIGTERM");
    expect(await executor.ended).toEqual({ code: 0, out: "", err: "" });
  },
);

/** What the compiler says of a snippet, in a project with the settings of this one. */
function mistakesIn(text: string): string[] {
  const file = join(stage.folder, "snippet.mts");
  writeFileSync(file, text);
  const settings = ts.readConfigFile(join(ROOT, "tsconfig.json"), (path) => readFileSync(path, "utf8"));
  const { options } = ts.parseJsonConfigFileContent(settings.config, { ...ts.sys, readDirectory: () => [] }, ROOT);
  const program = ts.createProgram([file], {
    ...options,
    typeRoots: [join(ROOT, "node_modules/@types")],
    paths: { "maestro/executor": [EXECUTOR] },
  });
  return ts
    .getPreEmitDiagnostics(program)
    .filter((found) => found.file?.fileName === file || found.file === undefined)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}
