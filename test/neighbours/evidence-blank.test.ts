// When a risk assessment is found blank, whatever kind of document it is. Not here: evidence whose form is known.
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { examine } from "../../src/neighbours/evidence/examine.ts";

function isBlank(content: string | Uint8Array): boolean {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return examine({ kind: "RISK_ASSESSMENT", bytes, algorithms: ["sha256"], builders: [] }).blank;
}

it.each<readonly [string, string | Uint8Array]>([
  ["nothing", ""],
  ["white space", " \r\n\t\0"],
  ["a byte order mark", "\ufeff"],
  ["one of UTF-16", new Uint8Array([0xff, 0xfe])],
  ["white space in UTF-16", Buffer.from("\ufeff \u2003\n", "utf16le")],
  ["spaces that do not break, and of no width", "\u00a0\u200b\u2060\u3000\u2028"],
  ["marks that only turn others around, and letters that are blank", "\u202e\u00ad\u3164\u2800"],
  ["gzip of nothing", gzipSync("")],
  ["gzip of white space", gzipSync("\ufeff \n")],
  ["gzip of gzip of nothing", gzipSync(gzipSync(""))],
  ["gzip that is broken off", gzipSync("none to speak of").subarray(0, 12)],
  ["a bomb of spaces", gzipSync(" ".repeat(20_000_000))],
])("%s is", (_, content) => {
  expect(isBlank(content)).toBe(true);
});

it.each<readonly [string, string | Uint8Array]>([
  ["a letter", "\ufeff x"],
  ["letters of other scripts", "無"],
  ["UTF-16", Buffer.from("\ufeffnone", "utf16le")],
  ["what is packed", gzipSync("none to speak of")],
  ["bytes that are no text", new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0, 0xff])],
])("%s is not", (_, content) => {
  expect(isBlank(content)).toBe(false);
});
