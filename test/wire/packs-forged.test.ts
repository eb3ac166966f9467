// Archives of packs that were tampered with: by a byte, a file, a line, and by somebody who signs what was made of them. Not here: archives
// as they should be, see packs.test.ts; what reads them, see test/domain/archives.test.ts.
import { beforeAll, describe, expect, test } from "vitest";
import { IN_TOTO_PAYLOAD_TYPE, signEnvelope } from "../../src/support/dsse.ts";
import { gunzip, gzip } from "../../src/support/gzip.ts";
import { archiveOf, changed, failures, filesOf, forger, inPieces } from "../support/packs.ts";
import { jsonOf, linesOf, signedAnew, together, verified } from "../support/packs.ts";
import type { Files } from "../support/packs.ts";
import { richPack } from "../support/packs-stage.ts";
import type { RichPack } from "../support/packs-stage.ts";

let pack: RichPack;
let files: Files;
beforeAll(async () => {
  pack = await richPack();
  files = await filesOf(pack.archive);
});

const RECORDS = "records/000001.jsonl";
const evidence = () => files.find(([name]) => name.startsWith("evidence/"))?.[0] ?? "";

test("as it came it verifies, and has all that a pack can have", async () => {
  expect(files.map(([name]) => name.split("/")[0])).toEqual([
    "keys.json",
    "artifacts",
    "evidence",
    "waivers",
    "verdicts",
    "records",
    "manifest.json",
    "gate.dsse.json",
    "statement.dsse.json",
  ]);
  expect(linesOf(files, "verdicts").map(({ state }) => state)).toContain("waived");
  const records = linesOf(files, "records").map(({ body }) => "commitment" in (body as object));
  expect(new Set(records)).toEqual(new Set([true, false]));
  const verdict = await verified(pack.archive, { kind: "KEY", publicPem: pack.publicPem });
  expect(failures(verdict)).toEqual({});
  expect(await archiveOf(files)).toEqual(pack.archive);
});

describe("it does not verify once", () => {
  test("a byte of the packed archive is another one", async () => {
    const { length } = pack.archive;
    const places = [...Array(24).keys(), ...Array.from({ length: 60 }, (_, i) => Math.floor((i * length) / 60))];
    for (const at of [...places, ...Array.from({ length: 8 }, (_, i) => length - 1 - i)]) {
      const other = Buffer.from(pack.archive);
      other[at] = (other[at] ?? 0) ^ 0xff;
      expect((await verified(other)).ok, `byte ${String(at)}`).toBe(false);
    }
  });

  test("a byte of a header, of any file, of what fills them up, or of the end is another one", async () => {
    const tar = await together(gunzip(inPieces(pack.archive), { bytes: Infinity, ratio: Infinity, freeBytes: 0 }));
    const places: number[] = Array.from({ length: 512 }, (_, i) => i);
    let at = 0;
    for (const [, { length }] of files) {
      const end = at + 512 + length;
      places.push(at, at + 124, at + 512, at + 512 + (length >> 1), end - 1);
      at = Math.ceil(end / 512) * 512;
      places.push(at - 1);
    }
    places.push(tar.length - 1024, tar.length - 1);
    expect(at + 1024).toBe(tar.length);
    for (const place of places) {
      const other = Buffer.from(tar);
      other[place] = (other[place] ?? 0) ^ 1;
      const verdict = await verified(await together(gzip(inPieces(other))));
      expect(verdict.ok, `byte ${String(place)}`).toBe(false);
    }
  });

  test("it ends early, wherever that is, or something follows", async () => {
    for (let at = 0; at < pack.archive.length; at += Math.ceil(pack.archive.length / 50))
      expect((await verified(pack.archive.subarray(0, at))).checks).toMatchObject([{ check: "archive", ok: false }]);
    for (const more of [Buffer.from([0]), Buffer.alloc(1024), pack.archive])
      expect((await verified(Buffer.concat([pack.archive, more]))).ok).toBe(false);
    const withoutEnd = files.slice(0, -1);
    expect(failures(await verified(await archiveOf(withoutEnd)))).toEqual({
      archive: "it ends before its statement",
    });
  });

  test("a file is dropped, told twice, moved, added or named otherwise", async () => {
    for (const i of files.keys()) {
      const name = files[i]?.[0];
      expect((await verified(await archiveOf(files.toSpliced(i, 1)))).ok, `without ${String(name)}`).toBe(false);
      const [here, next] = [files[i], files[i + 1]];
      if (here === undefined) continue;
      expect((await verified(await archiveOf(files.toSpliced(i, 0, here)))).ok, `twice ${here[0]}`).toBe(false);
      if (next === undefined) continue;
      expect((await verified(await archiveOf(files.toSpliced(i, 2, next, here)))).ok, `moved ${here[0]}`).toBe(false);
    }
    const records = files.findIndex(([name]) => name === RECORDS);
    const more: Files = files.toSpliced(records + 1, 0, ["records/000002.jsonl", Buffer.from("")]);
    expect(failures(await verified(await archiveOf(more)))).toEqual({ files: "records/000002.jsonl was not signed" });
    const named: Files = files.toSpliced(records, 1, ["records/000002.jsonl", files[records]?.[1] ?? Buffer.of()]);
    expect(failures(await verified(await archiveOf(named)))["archive"]).toMatch(/not where it belongs/);
  });
});

type Line = Record<string, unknown>;

/** Whoever could sign: with the statements made anew, only what must fit together can give it away. */
describe("signed anew by somebody else, it still does not verify with", () => {
  const key = forger();
  const judged = async (forged: Files) => failures(await verified(await archiveOf(signedAnew(forged, key))));
  const lines = (name: string, change: (all: Line[]) => Line[]): Files =>
    changed(files, name, (content) => {
      const all = content.toString("utf8").split("\n").slice(0, -1);
      const other = change(all.map((line) => JSON.parse(line) as Line));
      return other.map((line) => `${JSON.stringify(line)}\n`).join("");
    });
  const line = (name: string, at: number, change: Line): Files =>
    lines(name, (all) => all.map((one, i) => (i === at ? { ...one, ...change } : one)));
  const manifest = (change: (manifest: Record<string, Line>) => unknown): Files =>
    changed(files, "manifest.json", (content) => {
      const told = JSON.parse(content.toString("utf8")) as Record<string, Line>;
      change(told);
      return JSON.stringify(told);
    });

  test("nothing changed: then it does, unless the true key is asked for", async () => {
    expect(await judged(files)).toEqual({});
    const forged = await archiveOf(signedAnew(files, key));
    for (const trust of [
      { kind: "KEY", publicPem: pack.publicPem },
      { kind: "KEY_ID", keyId: pack.keyId },
    ] as const)
      expect(failures(await verified(forged, trust))["signature"]).toBe(
        "its statement is not signed by the key that was given",
      );
  });

  test("a record dropped, added, moved, or of another plan", async () => {
    const second = /^record 2 is missing: 3 stands in its place$/;
    expect((await judged(lines(RECORDS, (all) => all.toSpliced(1, 1))))["records"]).toMatch(second);
    expect((await judged(lines(RECORDS, (all) => all.slice(0, -1))))["records"]).toMatch(/and the manifest says/);
    const moved = lines(RECORDS, ([a, b, c, ...rest]) => [a, c, b, ...rest].filter((one) => one !== undefined));
    expect((await judged(moved))["records"]).toMatch(second);
    const numbered = lines(RECORDS, (all) => all.toSpliced(1, 1).map((one, i) => ({ ...one, seq: i + 1 })));
    expect((await judged(numbered))["records"]).toBe("the header of record 2 is of another record");
    const renamed = line(RECORDS, 0, { record_id: "rec_00000000000000000000000001" });
    expect((await judged(renamed))["records"]).toBe("the header of record 1 is of another record");
    const other = manifest(({ records }) =>
      Object.assign(records ?? {}, { stream: "0188bac7-4afa-78aa-bc3b-bd1eef28d881" }),
    );
    expect((await judged(other))["records"]).toBe("they are of another plan");
  });

  test("a header, a body, a salt, a payload or a leaf of a record changed", async () => {
    const leaf = /does not have the leaf that its commitments come to$/;
    const shown = linesOf(files, "records").findIndex(({ body }) => "text" in (body as object));
    const { header, body } = linesOf(files, "records")[shown] as Record<string, { salt: string; text: string }>;
    const salt = "0".repeat(32);
    for (const change of [
      { header: { ...header, text: `${header?.text ?? ""} ` } },
      { header: { ...header, salt } },
      { body: { ...body, text: '{"told":"otherwise"}' } },
      { body: { ...body, salt } },
      { body: { commitment: "0".repeat(64) } },
      { payload_commitment: "1".repeat(64) },
      { leaf: "0".repeat(64) },
    ])
      expect((await judged(line(RECORDS, shown, change)))["records"], JSON.stringify(change)).toMatch(leaf);
    // A byte that goes over from the salt to the text leaves the commitment as it is.
    const shifted = {
      salt: body?.salt.slice(0, -2),
      text: `${Buffer.from(body?.salt.slice(-2) ?? "", "hex").toString("latin1")}${body?.text ?? ""}`,
    };
    for (const change of [
      { body: shifted },
      { more: 1 },
      { seq: "1" },
      { header: null },
      { payload_commitment: "0".repeat(64) },
    ])
      expect((await judged(line(RECORDS, shown, change)))["records"]).toMatch(/is not one$/);
  });

  test("more withheld than the manifest says", async () => {
    const shown = linesOf(files, "records").findIndex(({ body }) => "text" in (body as object));
    const { body } = linesOf(files, "records")[shown] as Record<string, { salt: string; text: string }>;
    const { commitmentOf } = await import("../../src/domain/record.ts");
    const withheld = { body: { commitment: commitmentOf(body?.salt ?? "", body?.text ?? "") } };
    expect((await judged(line(RECORDS, shown, withheld)))["records"]).toBe(
      "other bodies are withheld than the manifest says",
    );
  });

  test("other evidence, or other words of it", async () => {
    const name = evidence();
    const other = changed(files, name, (content) => Buffer.from(content.toReversed()));
    expect((await judged(other))["evidence"]).toMatch(/has another digest than its name says$/);
    const gone = files.filter(([one]) => one !== name);
    expect((await judged(gone))["evidence"]).toBe(`${name} is missing`);
    const unnamed = line("artifacts/000001.jsonl", 0, { evidence: null });
    expect((await judged(unnamed))["evidence"]).toMatch(/is the content of none of the artifacts$/);
    const hash = line("artifacts/000001.jsonl", 0, { content_hash: `sha256:${"0".repeat(64)}` });
    expect((await judged(hash))["evidence"]).toMatch(/is not what its artifact's content_hash says$/);
    const pointing = line("artifacts/000001.jsonl", 1, { evidence: name });
    expect((await judged(pointing))["artifacts"]).toMatch(/is not what it points to$/);
  });

  test("an artifact that the gate is said not to have judged, or that says nothing of it", async () => {
    const name = "artifacts/000001.jsonl";
    expect(linesOf(files, "artifacts").map((one) => one["judged"])).toEqual([true, true]);
    expect((await judged(line(name, 0, { judged: false })))["gate"]).toMatch(/^something else is released/);
    expect((await judged(line(name, 0, { judged: 1 })))["artifacts"]).toMatch(/it is not said whether the gate judged/);
  });

  test("artifacts dropped, told twice, or of another run", async () => {
    const name = "artifacts/000001.jsonl";
    expect((await judged(lines(name, (all) => all.slice(0, 1))))["manifest"]).toBe(
      "disclosure_pack.artifacts in it is not what the archive holds",
    );
    expect((await judged(lines(name, ([one]) => (one === undefined ? [] : [one, one]))))["artifacts"]).toMatch(
      /twice$/,
    );
    const foreign = line(name, 1, { run_id: "run_00000000000000000000000001" });
    expect((await judged(foreign))["manifest"]).toMatch(/is of run_00000000000000000000000001, not of run_/);
  });

  test("a waiver that says something else, is not signed by the org, was taken back, has expired, or is not there", async () => {
    const name = "waivers/000001.jsonl";
    const [waiver] = linesOf(files, "waivers");
    for (const change of [{ reason: "seen by three" }, { rule: "x" }, { expires_ms: 4e12 }, { granted_by: "ann" }])
      expect((await judged(line(name, 0, change)))["waivers"], JSON.stringify(change)).toMatch(
        /is not what was signed$/,
      );
    const { envelope } = waiver as { envelope: { signatures: Line[] } };
    const unsigned = {
      envelope: { ...envelope, signatures: [{ keyid: "", sig: Buffer.alloc(64).toString("base64") }] },
    };
    expect((await judged(line(name, 0, unsigned)))["waivers"]).toMatch(/is signed by none of the keys$/);
    expect((await judged(line(name, 0, { envelope: 1 })))["waivers"]).toMatch(/is signed by none of the keys$/);
    const revoked = line(name, 0, { revoked_ms: 1, revoked_by: "ann" });
    expect((await judged(revoked))["gate"]).toMatch(/is waived by a waiver that was taken back$/);
    const gone = files.filter(([one]) => one !== name);
    expect((await judged(gone))["gate"]).toMatch(/is waived, and the waiver is not there$/);
    const late = "2999-01-01T00:00:00.000Z";
    const then = manifest((told) => Object.assign(told, { exported_at: late }));
    expect((await judged(then))["manifest"]).toBe("exported_at in it is not what the archive holds");
  });

  test("a waiver of another rule or artifact than the one that it lifts, or one that was not signed whole, or as something else", async () => {
    const name = "waivers/000001.jsonl";
    const [waiver] = linesOf(files, "waivers");
    const signed = JSON.parse(
      Buffer.from((waiver?.["envelope"] as { payload: string }).payload, "base64").toString(),
    ) as { predicate: Line };
    const { run_id: _, ...fewer } = signed.predicate;
    const rewritten = async (predicate: Line, statement: Line = {}) => {
      const text = JSON.stringify({ ...signed, predicate, ...statement });
      const envelope = signEnvelope(IN_TOTO_PAYLOAD_TYPE, text, key);
      return judged(line(name, 0, { ...predicate, envelope }));
    };
    expect(await rewritten(signed.predicate)).toEqual({});
    const [id] = linesOf(files, "artifacts").map((one) => one["id"]);
    for (const other of [{ rule: "sbom.present" }, { artifact_id: id }])
      expect((await rewritten({ ...signed.predicate, ...other }))["gate"]).toMatch(
        /waived by a waiver of something else$/,
      );
    for (const predicate of [fewer, { ...signed.predicate, more: 1 }])
      expect((await rewritten(predicate))["waivers"]).toMatch(/is not all of it$/);
    for (const statement of [{ predicateType: "max://attestation/other/v1" }, { _type: "x" }])
      expect((await rewritten(signed.predicate, statement))["waivers"]).toMatch(/is no waiver$/);
  });

  test("a gate that says something else than its verdicts, its summary or the report", async () => {
    expect(linesOf(files, "verdicts").map(({ state }) => state)).toContain("failed");
    expect(jsonOf(files, "manifest.json")).toMatchObject({ release_gate: { passed: false } });
    const all = lines("verdicts/000001.jsonl", (list) => list.map((one) => ({ ...one, state: "passed" })));
    expect((await judged(all))["gate"]).toBe("its verdicts and what it says in all do not agree");
    const one = manifest(({ release_gate: gate }) => Object.assign(gate ?? {}, { passed: true }));
    expect((await judged(one))["gate"]).toBe(
      "its summary and the manifest do not agree whether the run may be released",
    );
    const rules = manifest(({ release_gate: gate }) => Object.assign(gate?.["details"] ?? {}, { failed_rules: ["x"] }));
    expect((await judged(rules))["gate"]).toBe("other rules failed than the manifest says");
    const report = manifest(({ compliance_report: told }) => Object.assign(told ?? {}, { release_gate_passed: true }));
    expect((await judged(report))["gate"]).toBe("it and the compliance report do not agree");
    const fewer = lines("verdicts/000001.jsonl", (list) => list.slice(1));
    expect((await judged(fewer))["manifest"]).toBe("release_gate.verdicts in it is not what the archive holds");
  });

  test("documents that are none, keys that are not what they are named, and a format that nobody knows", async () => {
    for (const name of ["manifest.json", "gate.dsse.json"]) {
      const broken = changed(files, name, () => "[");
      const statement = await archiveOf(name === "manifest.json" ? signedAnew(broken, key) : broken);
      expect((await verified(statement)).ok, name).toBe(false);
    }
    const format = manifest((told) => Object.assign(told, { version: 2 }));
    expect((await judged(format))["manifest"]).toBe("it is no maestro.pack of version 1");
    const keys = changed(files, "keys.json", (content) => content.toString("utf8").replace(/sha256:./, "sha256:z"));
    expect((await judged(keys))["signature"]).toMatch(/^a key is not the one that it is named/);
  });
});
