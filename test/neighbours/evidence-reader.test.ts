// Reading a run's evidence: bounds of size, time and number, threads that end over it, and the event loop that goes on meanwhile. Not
// here: what is found in it.
import { gzipSync } from "node:zlib";
import { afterEach, expect, it } from "vitest";
import type { Finding } from "../../src/domain/release/evidence.ts";
import type { RunArtifact } from "../../src/domain/run-artifact.ts";
import { FetchError } from "../../src/neighbours/evidence/port.ts";
import type { EvidenceReader, EvidenceSource } from "../../src/neighbours/evidence/port.ts";
import { createEvidenceReader } from "../../src/neighbours/evidence/reader.ts";
import type { ReaderOptions } from "../../src/neighbours/evidence/reader.ts";
import type { OrgId } from "../../src/domain/id.ts";
import { systemClock } from "../../src/support/clock.ts";
import { workerPool, WorkerTaskTooLongError } from "../../src/support/worker-pool.ts";
import { cycloneDx, ORG, sha256Of } from "../support/gate.ts";
import { aRunArtifact, aToldRun } from "../support/runs.ts";

const NEVER = new AbortController().signal;
const OTHER_ORG = "00000000-0000-7000-8000-00000000000b" as OrgId;
const { runId } = aToldRun(ORG);
let reader: EvidenceReader;
afterEach(() => reader.close());

/** Content by address; a function is asked when it is fetched. */
type Contents = Readonly<Record<string, string | Uint8Array | ((signal: AbortSignal) => Promise<string>)>>;
function memory(contents: Contents): EvidenceSource {
  return {
    takes: (uri) => uri.startsWith("mem:"),
    fetch: async function* (_, uri, signal) {
      const content = contents[uri.slice(4)];
      if (content === undefined) throw new FetchError("NOT_FOUND", "there is none");
      const bytes = Buffer.from(typeof content === "function" ? await content(signal) : content);
      for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    },
  };
}

function open(contents: Contents, limits: ReaderOptions["limits"] = {}): void {
  reader = createEvidenceReader({ sources: [memory(contents)], clock: systemClock, limits });
}
const anArtifact = (uri: string, fields: Partial<RunArtifact> = {}): RunArtifact =>
  aRunArtifact(ORG, runId, { kind: "OTHER", uri, ...fields });

async function read(artifacts: readonly RunArtifact[], signal = NEVER): Promise<readonly Finding[]> {
  const findings = await reader.read(ORG, artifacts, [], signal);
  if (findings === "BUSY") throw new Error("busy");
  return artifacts.map(({ artifactId }) => {
    const finding = findings.get(artifactId);
    if (finding === undefined) throw new Error("no finding");
    return finding;
  });
}
const problemOf = async (artifact: RunArtifact): Promise<string> => {
  const [finding] = await read([artifact]);
  return finding?.content.state === "MISSING" ? finding.content.problem : "READ";
};

it("every artifact has a finding, whatever is wrong with others", async () => {
  open({ a: "bundle", s: JSON.stringify(cycloneDx(2)), r: " \n" });
  const [bundle, sbom, risk, gone, elsewhere] = await read([
    anArtifact("mem:a"),
    anArtifact("mem:s", { kind: "SBOM" }),
    anArtifact("mem:r", { kind: "RISK_ASSESSMENT" }),
    anArtifact("mem:none", { kind: "SBOM" }),
    anArtifact("ftp://example.test/a"),
  ]);
  expect(bundle?.content).toMatchObject({ state: "READ", sizeBytes: 6, digests: { sha256: sha256Of("bundle") } });
  expect(sbom?.sbom).toMatchObject({ state: "VALID", components: 2 });
  expect(risk?.blank).toBe(true);
  expect(gone?.content).toMatchObject({ state: "MISSING", problem: "NOT_FOUND" });
  expect(elsewhere?.content).toMatchObject({ state: "MISSING", problem: "NO_SOURCE" });
});

it("the digest that an artifact names is the one that is taken", async () => {
  open({ a: "bundle" });
  const [finding] = await read([anArtifact("mem:a", { contentHash: `sha384:${"0".repeat(96)}`, kind: "BUILD_LOG" })]);
  expect(finding?.content.state === "READ" ? Object.keys(finding.content.digests).toSorted() : []).toEqual([
    "sha256",
    "sha384",
  ]);
});

it("what is too large is not read to its end: one artifact, and all of a run", async () => {
  open({ a: "x".repeat(300_000) }, { CONTENT_BYTES: 100_000, EVIDENCE_BYTES: 200_000, TOTAL_BYTES: 1_000_000 });
  expect(await problemOf(anArtifact("mem:a"))).toBe("TOO_LARGE");
  expect(await problemOf(anArtifact("mem:a", { kind: "SBOM" }))).toBe("TOO_LARGE");
  await reader.close();
  const large = "x".repeat(300_000);
  open({ a: large, b: large, c: large }, { TOTAL_BYTES: 500_000 });
  const found = await read([anArtifact("mem:a"), anArtifact("mem:b"), anArtifact("mem:c")]);
  expect(found.map(({ content }) => content.state)).toContain("MISSING");
});

it("more artifacts than are read are told so, evidence last", async () => {
  open({ a: "x", b: "x" }, { ARTIFACTS_READ: 2 });
  const found = await read([
    anArtifact("mem:a"),
    anArtifact("mem:b"),
    anArtifact("mem:a", { kind: "RISK_ASSESSMENT" }),
  ]);
  expect(found.map(({ content }) => (content.state === "READ" ? "READ" : content.problem))).toEqual([
    "READ",
    "NOT_READ",
    "READ",
  ]);
});

it("what many artifacts name is fetched and read once, and found of each", async () => {
  let fetched = 0;
  const once = async (): Promise<string> => {
    fetched++;
    return JSON.stringify(cycloneDx(2));
  };
  open({ s: once }, { ARTIFACTS_READ: 1 });
  const found = await read(Array.from({ length: 50 }, () => anArtifact("mem:s", { kind: "SBOM" })));
  expect(fetched).toBe(1);
  expect(found.every(({ sbom }) => sbom?.state === "VALID")).toBe(true);
  expect(new Set(found.map(({ artifactId }) => artifactId)).size).toBe(50);
});

it("what evidence comes to unpacked counts for its run, and so does what it speaks of", async () => {
  const states = (found: readonly Finding[]): readonly string[] =>
    found.map(({ content }) => (content.state === "READ" ? "READ" : content.problem)).toSorted();
  const packed = gzipSync(" ".repeat(900_000) + JSON.stringify(cycloneDx(1)));
  const both = [anArtifact("mem:a", { kind: "SBOM" }), anArtifact("mem:b", { kind: "SBOM" })];
  open({ a: packed, b: packed }, { TOTAL_BYTES: 1_500_000 });
  expect(states(await read(both))).toEqual(["READ", "TOO_LARGE"]);
  await reader.close();
  const described = JSON.stringify(cycloneDx(1, { metadata: { component: { type: "application", name: "bundle" } } }));
  open({ a: described, b: described }, { SUBJECTS_KEPT: 1 });
  expect(states(await read(both))).toEqual(["READ", "TOO_LARGE"]);
});

it("digests of large content are those of all its bytes, however many are taken at once", async () => {
  const large = [1, 2, 3].map((i) => Buffer.alloc(2_500_000 + i, String(i)));
  open({ a: large[0] ?? "", b: large[1] ?? "", c: large[2] ?? "" });
  const found = await read([anArtifact("mem:a"), anArtifact("mem:b"), anArtifact("mem:c")]);
  expect(found.map(({ content }) => content)).toMatchObject(
    large.map((bytes) => ({ state: "READ", sizeBytes: bytes.length, digests: { sha256: sha256Of(bytes) } })),
  );
});

it("what takes too long to come is given up, alone and with its run", async () => {
  const hangs = (signal: AbortSignal): Promise<string> =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  open({ a: hangs, b: "x" }, { ARTIFACT_MS: 20 });
  const found = await read([anArtifact("mem:a"), anArtifact("mem:b")]);
  expect(found.map(({ content }) => (content.state === "READ" ? "READ" : content.problem))).toEqual([
    "TOO_LATE",
    "READ",
  ]);
  await reader.close();
  open({ a: hangs }, { RUN_MS: 20 });
  const all = await read(Array.from({ length: 9 }, () => anArtifact("mem:a")));
  expect(new Set(all.map(({ content }) => (content.state === "READ" ? "READ" : content.problem)))).toEqual(
    new Set(["TOO_LATE"]),
  );
});

it("a call that is over is over at once", async () => {
  const abort = new AbortController();
  open({
    a: (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        abort.abort(new Error("no longer wanted"));
      }),
  });
  await expect(read([anArtifact("mem:a")], abort.signal)).rejects.toThrow("no longer wanted");
});

it("beyond so many runs of an org, at once and waiting, a run is turned away, and other orgs are not kept waiting", async () => {
  const gate = Promise.withResolvers<string>();
  open({ a: () => gate.promise, b: "x" });
  const under = Array.from({ length: 6 }, () => reader.read(ORG, [anArtifact("mem:a")], [], NEVER));
  expect(await reader.read(ORG, [anArtifact("mem:a")], [], NEVER)).toBe("BUSY");
  expect(await reader.read(OTHER_ORG, [anArtifact("mem:b")], [], NEVER)).not.toBe("BUSY");
  gate.resolve("x");
  expect((await Promise.all(under)).every((one) => one !== "BUSY")).toBe(true);
  expect(await reader.read(ORG, [anArtifact("mem:a")], [], NEVER)).not.toBe("BUSY");
});

it("what waits for a thread, and what a thread takes, is no time that an artifact takes to come", async () => {
  open({ s: JSON.stringify(cycloneDx(5_000)) }, { ARTIFACT_MS: 1 });
  // One comes at once, and a thread must be started for it.
  expect((await read([anArtifact("mem:s", { kind: "SBOM" })]))[0]?.sbom).toMatchObject({ state: "VALID" });
});

it("evidence that no thread has time for, because of other orgs', is not found bad: its reader is told to come again", async () => {
  open({ slow: JSON.stringify(cycloneDx(20_000)), quick: JSON.stringify(cycloneDx(1)) }, { RUN_MS: 20 });
  // It takes the thread, which goes on although nobody waits for it after its run's time.
  const others = reader.read(OTHER_ORG, [anArtifact("mem:slow", { kind: "SBOM" })], [], NEVER);
  await new Promise(setImmediate);
  expect(await reader.read(ORG, [anArtifact("mem:quick", { kind: "SBOM" })], [], NEVER)).toBe("BUSY");
  expect([...((await others) as ReadonlyMap<unknown, Finding>).values()]).toMatchObject([
    { content: { state: "MISSING", problem: "TOO_LATE" } },
  ]);
});

it("a thread that takes too long over evidence is ended, and the next evidence gets a new one", async () => {
  const many = JSON.stringify(cycloneDx(20_000));
  open({ slow: many, quick: "{}" }, { PARSE_MS: 5 });
  const [finding] = await read([anArtifact("mem:slow", { kind: "SBOM" })]);
  expect(finding?.content).toMatchObject({ state: "MISSING", problem: "TOO_LATE" });
  await reader.close();
  open({ quick: JSON.stringify(cycloneDx(1)) });
  expect((await read([anArtifact("mem:quick", { kind: "SBOM" })]))[0]?.sbom).toMatchObject({ state: "VALID" });
});

it("a pool ends a thread that hangs, or that takes more memory than it may, and goes on", async () => {
  open({});
  const module = new URL(
    `data:text/javascript,${encodeURIComponent(`
      import { parentPort } from "node:worker_threads";
      // Starting takes longer than a task may, as on a busy machine.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 900);
      parentPort.on("message", ({ id, task }) => {
        parentPort.postMessage({ id, began: true });
        if (task === "hang") for (;;);
        if (task === "grow") for (const all = []; ; ) all.push(new Array(100_000).fill({}));
        parentPort.postMessage({ id, value: task });
      });`)}`,
  );
  const hanging = workerPool(module, { size: 1, queueLimit: 10, taskMs: 700 });
  const growing = workerPool(module, { size: 1, queueLimit: 10, resourceLimits: { maxOldGenerationSizeMb: 32 } });
  try {
    await expect(hanging.run("hang", {}, NEVER)).rejects.toBeInstanceOf(WorkerTaskTooLongError);
    expect(await hanging.run("well", {}, NEVER)).toBe("well");
    await expect(growing.run("grow", {}, NEVER)).rejects.toThrow("memory");
    expect(await growing.run("well", {}, NEVER)).toBe("well");
  } finally {
    await Promise.all([hanging.close(), growing.close()]);
  }
});

it("the event loop goes on while 5,000 components are read, packed or not", async () => {
  const text = JSON.stringify(cycloneDx(5_000));
  open({ plain: text, packed: gzipSync(text) });
  await read([anArtifact("mem:plain", { kind: "SBOM" })]);
  let turns = 0;
  let over = false;
  const turning = (async () => {
    while (!over) {
      await new Promise(setImmediate);
      turns++;
    }
  })();
  const found = await read([anArtifact("mem:plain", { kind: "SBOM" }), anArtifact("mem:packed", { kind: "SBOM" })]);
  over = true;
  await turning;
  expect(found.map(({ sbom }) => (sbom?.state === "VALID" ? sbom.components : 0))).toEqual([5_000, 5_000]);
  // Reading takes tens of milliseconds each; a loop that waits for it turns a handful of times.
  expect(turns).toBeGreaterThan(100);
});
