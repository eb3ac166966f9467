// From bytes to lines and tails, fed by hand. Not here: real commands.
import { expect, test } from "vitest";
import { LINE_BYTES, LineSplitter, LogBudget } from "../../src/executor/shell/log.ts";
import { Tail } from "../../src/executor/shell/tail.ts";

function splitter(): {
  push: (chunk: Buffer | string) => void;
  end: () => void;
  lines: string[];
  pass: (ms: number) => void;
} {
  let nowMs = 0;
  const clock = { nowMs: () => 1_000 + nowMs, monotonicMs: () => nowMs };
  const lines: string[] = [];
  const split = new LineSplitter("stdout", ({ text }) => lines.push(text), new LogBudget(clock), clock);
  return {
    push: (chunk) => split.push(Buffer.from(chunk)),
    end: () => split.end(),
    lines,
    pass: (ms) => (nowMs += ms),
  };
}

test("gives the same lines wherever the chunks are cut, also inside a character", () => {
  const text = "Grüße 🚀 an €lle\r\n\n  日本語\nno end";
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size++) {
    const { push, end, lines } = splitter();
    for (let at = 0; at < bytes.length; at += size) push(bytes.subarray(at, at + size));
    end();
    expect(lines).toEqual(["Grüße 🚀 an €lle", "", "  日本語", "no end"]);
  }
});

test("replaces NUL and bytes that are no UTF-8", () => {
  const { push, lines } = splitter();
  push(Buffer.from([0x61, 0x00, 0xff, 0xc3, 0x0a]));
  expect(lines).toEqual(["a\ufffd\ufffd\ufffd"]);
});

test("cuts a long line into whole characters, none over 16 KiB", () => {
  const { push, end, lines } = splitter();
  const text = `x${"€".repeat(20_000)}`;
  push(text);
  push("\nnext");
  end();
  expect(lines.at(-1)).toBe("next");
  expect(lines.slice(0, -1).join("")).toBe(text);
  expect(lines).toHaveLength(5);
  expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(LINE_BYTES);
});

test("keeps pieces of replaced bytes under 16 KiB too", () => {
  const { push, end, lines } = splitter();
  push(Buffer.alloc(40_000, 0xff));
  end();
  expect(lines.join("")).toBe("\ufffd".repeat(40_000));
  expect(Math.max(...lines.map((line) => Buffer.byteLength(line)))).toBeLessThanOrEqual(LINE_BYTES);
});

test("a line of exactly 16 KiB is followed by no empty one", () => {
  const { push, end, lines } = splitter();
  push(`${"a".repeat(LINE_BYTES)}\nb\n`);
  end();
  expect(lines).toEqual(["a".repeat(LINE_BYTES), "b"]);
});

test("hands on a bounded number of lines a second, and says how many it left out", () => {
  const { push, pass, lines } = splitter();
  push("y\n".repeat(10_000));
  expect(lines).toHaveLength(4_000);
  pass(500);
  push("later\n");
  expect(lines.slice(4_000)).toEqual([expect.stringMatching(/^… 6000 lines \(12000 bytes\) left out/), "later"]);
});

test("says at the end what was left out last", () => {
  const { push, end, lines } = splitter();
  push("y\n".repeat(4_001));
  end();
  expect(lines.at(-1)).toMatch(/^… 1 lines/);
});

test("a tail keeps the last bytes, beginning with a whole character", () => {
  const tail = new Tail(9);
  for (const chunk of ["abc", "日本", "語!", ""]) tail.push(Buffer.from(chunk));
  expect(tail.text()).toBe("本語!");
  expect(tail.bytes).toBe(13);
  tail.push(Buffer.from("0123456789abcdefghij"));
  expect(tail.text()).toBe("bcdefghij");
});

test("a tail holds short output whole, replaces NUL, and stays within its bytes when replacements grow", () => {
  const tail = new Tail(8);
  tail.push(Buffer.from("a\0b"));
  expect(tail.text()).toBe("a\ufffdb");
  tail.push(Buffer.alloc(5, 0xff));
  expect(tail.text()).toBe("\ufffd\ufffd");
  const none = new Tail(0);
  none.push(Buffer.from("abc"));
  expect([none.text(), none.bytes]).toEqual(["", 3]);
});
