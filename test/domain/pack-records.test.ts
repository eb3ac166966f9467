// Lines of records in exported packs: what of a record is withheld, leaves that hold either way, and which file may follow which. Not here:
// packs as a whole.
import { describe, expect, test } from "vitest";
import type { OrgId, RecordId } from "../../src/domain/id.ts";
import { commitmentOf, storeRecord } from "../../src/domain/record.ts";
import type { StoredRecord } from "../../src/domain/record.ts";
import { listFile, mayFollow, mostBytesOf } from "../../src/domain/release/pack-files.ts";
import { packRecord, recordCheck, withholding } from "../../src/domain/release/pack-record.ts";
import { systemRandom } from "../../src/support/random.ts";
import { newId } from "../support/store.ts";

const ORG = newId() as OrgId;
const STREAM = newId();
const idOf = (text: string) => text;

function record(seq: number, payload: string | null = null): StoredRecord {
  const draft = { kind: "outcome.report", actor: "größe", body: { seq, text: "ä\u2028\ud800" }, payload };
  const place = { orgId: ORG, stream: STREAM, seq, atMs: 1_700_000_000_000 };
  return storeRecord(draft, place, newId() as RecordId, systemRandom().bytes(32));
}

const line = (one: StoredRecord, isWithheld = false): unknown =>
  JSON.parse(JSON.stringify(packRecord(one, one.recordId, isWithheld)));

describe("a record's line", () => {
  test("comes to the leaf that is stored, with its body and without, with a payload and without", () => {
    const check = recordCheck();
    for (let seq = 1; seq <= 8; seq++) {
      const payload = seq % 2 === 0 ? '{"secret":true}' : null;
      expect(check.take(line(record(seq, payload), seq > 4), idOf)).toBeNull();
    }
    expect(check.trail()).toEqual({ count: 8, org: ORG, stream: STREAM, withheldBodies: 4, withheldHeaders: 0 });
  });

  test("says nothing of a body that is withheld but its commitment", () => {
    const one = record(1);
    const text = JSON.stringify(line(one, true));
    expect(text).not.toContain(one.bodySalt);
    expect(Object.keys((line(one, true) as { body: object }).body)).toEqual(["commitment"]);
  });

  test("may be redacted for good, its header among it: then its place is the line's word, and is counted", () => {
    const [first, second] = [record(1), record(2)];
    const header = { commitment: commitmentOf(first.headerSalt, first.header) };
    const redacted = { ...(line(first, true) as object), header };
    const check = recordCheck();
    expect(check.take(redacted, idOf)).toBeNull();
    expect(check.take(line(second), idOf)).toBeNull();
    expect(check.trail()).toEqual({ count: 2, org: ORG, stream: STREAM, withheldBodies: 1, withheldHeaders: 1 });
  });
});

describe("kinds that are withheld", () => {
  test.each([
    ["outcome.report", ["outcome.report"], true],
    ["outcome.report", ["outcome"], false],
    ["outcome.report", ["outcome.*"], true],
    ["outcome.report", ["*"], true],
    ["outcome.report", ["*.report"], true],
    ["outcome.report", ["o*e*t"], true],
    ["outcome.report", ["o*x*t"], false],
    ["outcome.report", ["*come*come*"], false],
    ["outcome.report", ["outcome.report*report"], false],
    ["outcome.report", ["plan.*", "*report*"], true],
    ["outcome.report", [], false],
    ["outcome.report", ["outcome?report", "outcome+report", "^o"], false],
    ["a", ["**"], true],
    ["aa", ["a*a*a"], false],
  ])("%s by %j: %s", (kind, patterns, expected) => {
    expect(withholding(patterns)(kind)).toBe(expected);
  });

  test("are found at once, whatever the pattern", () => {
    const hostile = Array.from({ length: 64 }, () => `${"*a".repeat(63)}*b`);
    expect(withholding(hostile)("a".repeat(128))).toBe(false);
  });
});

test("files of a pack follow each other in one order only", () => {
  const order = [
    "keys.json",
    listFile("artifacts", 1),
    listFile("artifacts", 2),
    `evidence/sha256-${"a".repeat(64)}`,
    `evidence/sha256-${"b".repeat(64)}`,
    listFile("waivers", 1),
    listFile("verdicts", 1),
    listFile("records", 1),
    "manifest.json",
    "gate.dsse.json",
    "statement.dsse.json",
  ];
  for (const [i, name] of order.entries()) {
    expect(mostBytesOf(name)).toBeGreaterThan(0);
    expect(mayFollow(name, order[i - 1] ?? null)).toBe(true);
    for (const [j, before] of order.entries()) {
      const isEvidence = name.startsWith("evidence/") && before.startsWith("evidence/");
      if (j >= i) expect(mayFollow(name, before), `${name} after ${before}`).toBe(isEvidence);
    }
  }
  expect(mayFollow(listFile("records", 2), listFile("waivers", 1))).toBe(false);
  expect(mayFollow(listFile("records", 3), listFile("records", 1))).toBe(false);
  for (const name of [
    "other.json",
    "records/1.jsonl",
    "records/000001.json",
    "evidence/a",
    `evidence/sha256-${"A".repeat(64)}`,
  ])
    expect(mostBytesOf(name)).toBeUndefined();
});
