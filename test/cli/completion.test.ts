// `maestro completion`: what is offered, with and without a server, and the script of bash in a real bash. Those of zsh and
// fish are run where these shells are. Not here: what commands do.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { quoted, wordsOf } from "../../src/cli/completion/bash-line.ts";
import { Running, NODE, here } from "./command.ts";
import { ROOT } from "../docs/snippets.ts";
import { Stage } from "./stage.ts";

const ODD = "odd name; $(touch here) 'x'";
let stage: Stage;
let planId = "";
let runId = "";
let artifactId = "";
let packId = "";
let workflowId = "";
beforeAll(async () => {
  stage = await Stage.open();
  planId = await stage.begin("packing", "  fetch: { capability: smelting }\n  filter: { capability: smelting }\n");
  const odd = join(stage.folder, "odd.yaml");
  writeFileSync(
    odd,
    `charter: { name: cli }\ngoal: { name: ${JSON.stringify(ODD)} }\nsteps: { s: { capability: x } }\n`,
  );
  await stage.here("apply", odd, "--detach");
  const spec = { name: "resizer-1", capabilities: ["resize"], slots: 1 };
  await stage.client.executors.registerExecutor({ spec, idempotencyKey: "resizer" });
  await addRelease();
});
afterAll(() => stage.close());

/** One of everything that is there for releases. */
async function addRelease(): Promise<void> {
  const { conductor } = stage.client;
  runId = (await conductor.getRun({ id: planId })).run?.id ?? "";
  const known = { runId, kind: ArtifactKind.OTHER, pathOrUri: "s3://a/b" };
  artifactId = (await conductor.createArtifact(known)).artifact?.id ?? "";
  const pack = { runId, summary: "all", artifactIds: [artifactId] };
  packId = (await conductor.createDisclosurePack(pack)).disclosurePack?.id ?? "";
  await conductor.createRun({ name: "nightly build", owner: "ci" });
  const flow = { name: "flow", tasks: [{ name: "a", agentType: "x" }] };
  workflowId = (await conductor.createWorkflow(flow)).workflow?.id ?? "";
}

/** What is offered for the last of the words, without notes. */
async function offered(words: readonly string[], url = stage.server.wideUrl): Promise<string[]> {
  const { code, out, err } = await here(["__complete", "zsh", "--", ...words], { MAESTRO_URL: url });
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return out.split("\n").flatMap((line) => (line === "" ? [] : (line.split("\t")[0] ?? "")));
}

const NOBODY = "http://127.0.0.1:1";

describe("without a server", () => {
  test.each([
    [["ca"], ["cancel"]],
    [["executors", "dr"], ["drain"]],
    [
      ["keys", ""],
      ["create", "revoke"],
    ],
    [
      ["approve", "--"],
      ["--comment", "--version", "--server", "--api-key", "--json", "--quiet", "--timeout", "--help"],
    ],
    [["--json", "--server", "x", "goals", "--st"], ["--state"]],
    [
      ["goals", "--state", "ac"],
      ["active", "achieved"],
    ],
    [
      ["goals", "--state", "AC"],
      ["ACTIVE", "ACHIEVED"],
    ],
    [["goals", "--state=ca"], ["--state=cancelled"]],
    [
      ["completion", ""],
      ["bash", "zsh", "fish"],
    ],
    [["apply", "pl"], [":files"]],
    [["diff", "x", ""], [":files"]],
    [["packs", "verify", ""], [":files"]],
    [["gate", "x", "--mode", "v"], ["verified"]],
    [["serve", "--config", ""], [":files"]],
    [["keys", "create", "ci", "--grant", "map.maestro.charter.d"], ["map.maestro.charter.declare"]],
    [["cancel", "--reason", ""], []],
    [["cancel", ""], []],
    [["watch", "--", "--"], []],
    [["nonsense", ""], []],
  ])("%j offers %j", async (words, expected) => {
    expect(await offered(words, NOBODY)).toEqual(expected);
  });

  test("every command is offered, and none that is hidden", async () => {
    const all = await offered([""], NOBODY);
    for (const verb of ["init", "apply", "goals", "replan", "executors", "grants"]) expect(all).toContain(verb);
    expect(all).not.toContain("__complete");
  });

  test("one that never answers is not waited for", async () => {
    const held: { destroy(): void }[] = [];
    const mute = createServer((socket) => held.push(socket)).listen(0, "127.0.0.1");
    await new Promise((resolve) => mute.once("listening", resolve));
    const { port } = mute.address() as AddressInfo;
    expect(await offered(["cancel", ""], `http://127.0.0.1:${port}`)).toEqual([]);
    for (const socket of held) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
  });
});

describe("with a server", () => {
  test.each([
    [["cancel", "pa"], () => ["packing"]],
    [["goals", "pack"], () => ["packing"]],
    [["watch", "plan_"], () => expect.arrayContaining([planId]) as string[]],
    [["hold", "packing", "f"], () => ["fetch", "filter"]],
    [["explain", "absent", ""], () => []],
    [["executors", "drain", ""], () => ["resizer-1"]],
    [["executors", "res"], () => ["resizer-1"]],
    [["goals", "--charter", "c"], () => ["cli"]],
    [["gate", "pa"], () => ["packing"]],
    [["runs", "ni"], () => ["nightly build"]],
    [["artifacts", "add", "run_"], () => expect.arrayContaining([runId]) as string[]],
    [["artifacts", "--run", "pa"], () => ["packing"]],
    [["artifacts", "art_"], () => [artifactId]],
    [["workflows", "run", ""], () => [workflowId]],
    [["packs", "export", ""], () => [packId]],
    [["plans", "--goal=pac"], () => ["--goal=packing"]],
  ])("%j", async (words, expected) => {
    expect(await offered(words)).toEqual(expected());
  });

  test("that the line itself names, with a note of what each is", async () => {
    expect(await offered(["--server", stage.server.wideUrl, "cancel", "pa"], NOBODY)).toEqual(["packing"]);
    const { out } = await stage.here("__complete", "fish", "--", "cancel", "pa");
    expect(out).toBe("packing\tACTIVE\n");
  });

  test("a name that several goals have is offered by its plans", async () => {
    const file = stage.file("again", "  smelt: { capability: smelting }\n");
    for (const flags of [[], ["--again"]]) await stage.here("apply", file, "--detach", ...flags);
    const found = await offered(["cancel", ""]);
    expect(found).not.toContain("again");
    expect(found.filter((one) => one.startsWith("plan_"))).toHaveLength(2);
  });
});

describe("a line of bash", () => {
  test.each([
    ["maestro cancel ", ["maestro", "cancel", ""], ""],
    [String.raw`maestro cancel my\ go`, ["maestro", "cancel", "my go"], ""],
    ["maestro cancel 'my go", ["maestro", "cancel", "my go"], "'"],
    [String.raw`maestro cancel "my \"go`, ["maestro", "cancel", 'my "go'], '"'],
    ["maestro  a'b'\"c\"d", ["maestro", "abcd"], ""],
  ])("%j", (line, words, quote) => {
    expect(wordsOf(line)).toEqual({ words, quote });
  });

  test.each([
    ["plain-1.x", "", "plain-1.x"],
    ["a b", "", String.raw`a\ b`],
    ["a'b", "'", undefined],
    ['$(x)`"', '"', String.raw`\$(x)\`\"`],
    ["a\nb", "", undefined],
    ["naïve", "", "naïve"],
  ] as const)("gets %j within %j as %j", (value, quote, expected) => {
    expect(quoted(value, quote)).toBe(expected);
  });
});

/** A folder with a `maestro` that a shell finds. */
function program(): string {
  const bin = join(stage.folder, "bin");
  if (!existsSync(bin)) mkdirSync(bin);
  const command = [...NODE, join(ROOT, "src/main.ts")].map((part) => `'${part}'`).join(" ");
  writeFileSync(join(bin, "maestro"), `#!/bin/sh\nexec ${command} "$@"\n`);
  chmodSync(join(bin, "maestro"), 0o755);
  return bin;
}

/** What a shell makes of a script, with the command in its path and the server in its environment. */
async function inShell(shell: readonly string[], script: string, url = stage.server.wideUrl): Promise<Running> {
  const one = new Running(shell, {
    cwd: stage.folder,
    stdin: script,
    env: { PATH: `${program()}${delimiter}${process.env["PATH"] ?? ""}`, MAESTRO_URL: url, TERM: "dumb" },
  });
  await one.ended;
  return one;
}

const there = (shell: string): boolean => {
  try {
    execFileSync(shell, ["-c", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

describe.skipIf(!there("bash"))("in bash", () => {
  test(
    "a tab completes what is typed: commands, flags, names, odd names safely, and files",
    { timeout: 60_000 },
    async () => {
      writeFileSync(join(stage.folder, "tab file.yaml"), "");
      // Each line is completed by its tab, and then only said, never done.
      const typed = [
        "maestro canc\t",
        "maestro cancel pac\t",
        "maestro hold packing fi\t",
        "maestro goals --state=act\t",
      ];
      const lines = [
        ...typed,
        "maestro cancel odd\t",
        "maestro cancel 'pac\t",
        "maestro validate tab\t",
        "true; maestro --js\t",
      ];
      const script = [
        "source <(maestro completion bash)",
        'maestro() { if [ "$1" = __complete ]; then command maestro "$@"; else printf \'<%s>\' "$@" >> said; echo >> said; fi; }',
        ...lines,
        "exit",
        "",
      ].join("\n");
      const bash = await inShell(["bash", "--norc", "--noprofile", "-i"], script);
      const said = readFileSync(join(stage.folder, "said"), "utf8");
      expect(said.trimEnd().split("\n"), bash.err).toEqual([
        "<cancel>",
        "<cancel><packing>",
        "<hold><packing><filter>",
        "<goals><--state=active>",
        `<cancel><${ODD}>`,
        "<cancel><packing>",
        "<validate><tab file.yaml>",
        "<--json>",
      ]);
      expect(existsSync(join(stage.folder, "here"))).toBe(false);
    },
  );

  test("nothing is said when no server answers", { timeout: 30_000 }, async () => {
    const script = `source <(maestro completion bash)
COMP_LINE='maestro cancel ' COMP_POINT=15
_maestro maestro '' cancel
echo "\${#COMPREPLY[@]}"
`;
    const { out, err } = await inShell(["bash", "--norc", "--noprofile"], script, NOBODY);
    expect({ out, err }).toEqual({ out: "0\n", err: "" });
  });
});

describe.skipIf(!there("zsh"))("in zsh", () => {
  test("the script is taken, and asks for what is typed", { timeout: 30_000 }, async () => {
    const script = `compdef() { :; }
source <(maestro completion zsh)
compadd() { print -rl -- "\${values[@]}"; }
words=(maestro cancel pac) CURRENT=3
_maestro
`;
    expect(await (await inShell(["zsh", "-f"], script)).ended).toEqual({ code: 0, out: "packing\n", err: "" });
  });
});

describe.skipIf(!there("fish"))("in fish", () => {
  test("the script is taken, and completes what is typed", { timeout: 30_000 }, async () => {
    const script = `maestro completion fish | source\ncomplete -C "maestro cancel pac"\n`;
    expect(await (await inShell(["fish", "--no-config", "-c", script], "")).ended).toEqual({
      code: 0,
      out: "packing\tACTIVE\n",
      err: "",
    });
  });
});
