// Archives of plain files and their packing: what is written is the same each time and others read it; what is read is bounded, and is
// nothing but what we write. Not here: what is in the files.
import { execFileSync } from "node:child_process";
import { gzipSync, gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { describe, expect, test } from "vitest";
import { gunzip, gzip } from "../../src/support/gzip.ts";
import { ArchiveError, readTar, writeTar } from "../../src/support/tar.ts";
import type { TarFile } from "../../src/support/tar.ts";
import { archiveOf, inPieces, together } from "../support/packs.ts";
import type { Files } from "../support/packs.ts";

const FILES: Files = [
  ["a.json", Buffer.from("{}")],
  ["list/000001.jsonl", Buffer.alloc(512, "x")],
  ["empty", Buffer.alloc(0)],
  [`evidence/sha256-${"f".repeat(64)}`, Buffer.alloc(1_500, 7)],
];
const BOUNDS = { bytes: 1e9, ratio: 1e9, freeBytes: 0 };
const LIMITS = { files: 100, sizeOf: () => 1e6 };

async function* files(): AsyncGenerator<TarFile> {
  for (const [name, content] of FILES) yield { name, size: content.length, chunks: [content] };
}

async function contentsOf(tar: Uint8Array, limits = LIMITS, pieces?: number): Promise<Files> {
  const read: Files = [];
  for await (const { name, chunks } of readTar(inPieces(tar, pieces), limits)) {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    read.push([name, Buffer.concat(parts)]);
  }
  return read;
}

describe("an archive", () => {
  test("is read as it was written, in pieces of any size", async () => {
    const tar = await together(writeTar(files()));
    for (const pieces of [1, 7, 511, 512, 513, 1e6]) expect(await contentsOf(tar, LIMITS, pieces)).toEqual(FILES);
  });

  test("is read by others, and packed by others it holds the same", async () => {
    const archive = await archiveOf(FILES);
    expect(gunzipSync(archive)).toEqual(await together(writeTar(files())));
    const listed = execFileSync("tar", ["-tzvf", "-"], { input: archive }).toString().trimEnd().split("\n");
    expect(listed.map((line) => line.split(/\s+/).at(-1))).toEqual(FILES.map(([name]) => name));
    const seen: Files = [];
    const unpack = extract();
    unpack.end(gunzipSync(archive));
    for await (const entry of unpack)
      seen.push([entry.header.name, await together(entry as AsyncIterable<Uint8Array>)]);
    expect(seen).toEqual(FILES);
  });

  test("has no file twice, of another name than a plain one, or larger than it may be", async () => {
    const tar = await together(writeTar(files()));
    const twice = Buffer.concat([tar.subarray(0, 1024), tar]);
    await expect(contentsOf(twice)).rejects.toThrow("a.json is there twice");
    await expect(contentsOf(tar, { ...LIMITS, files: 3 })).rejects.toThrow("more than 3 files");
    await expect(contentsOf(tar, { ...LIMITS, sizeOf: () => 511 })).rejects.toThrow(/has 512 bytes, and may have 511/);
    const unknown = { files: 9, sizeOf: (name: string) => (name === "empty" ? undefined : 1e6) };
    await expect(contentsOf(tar, unknown as never)).rejects.toThrow("empty does not belong there");
  });

  test("holds no links, folders, devices, long names or ways out, whoever made it", async () => {
    const make = (...args: string[]) =>
      execFileSync("tar", ["-cf", "-", "--format=ustar", ...args, "-C", "/", "etc/hostname"]);
    await expect(contentsOf(make())).rejects.toThrow(ArchiveError);
    const header = (await together(writeTar(files()))).subarray(0, 512);
    const patched = (change: (block: Buffer) => void): Buffer => {
      const block = Buffer.from(header);
      change(block);
      block.write("        ", 148);
      const sum = block.reduce((total, byte) => total + byte, 0);
      block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
      return Buffer.concat([block, Buffer.alloc(512), Buffer.alloc(1024)]);
    };
    for (const name of ["../x", "/etc/x", "a/../b", "a//b", "./a", "-a", "a\\b", "a b", "", "a/", "ä", "a/."])
      await expect(contentsOf(patched((block) => void block.fill(0, 0, 100).write(name, 0)))).rejects.toThrow(
        ArchiveError,
      );
    for (const type of ["1", "2", "3", "5", "6", "7", "x", "g", "L", "K", "S", "\0"])
      await expect(contentsOf(patched((block) => void block.write(type, 156)))).rejects.toThrow(ArchiveError);
    for (const size of ["7777777777777", "0000000000x", "-0000000001", "           "])
      await expect(contentsOf(patched((block) => void block.write(size.slice(0, 11), 124)))).rejects.toThrow(
        ArchiveError,
      );
    for (const [at, text] of [
      [100, "0000777"],
      [108, "0001750"],
      [136, "14000000000"],
      [265, "root"],
      [345, "prefix"],
      [257, "ustar  "],
    ] as const)
      await expect(contentsOf(patched((block) => void block.write(text, at)))).rejects.toThrow(ArchiveError);
  });

  test("is not written when a file has other bytes than was said", async () => {
    for (const size of [1, 3]) {
      const wrong = async function* (): AsyncGenerator<TarFile> {
        yield { name: "a", size, chunks: [Buffer.from("ab")] };
      };
      await expect(together(writeTar(wrong()))).rejects.toThrow(`a does not have the ${String(size)} bytes`);
    }
  });
});

describe("packing", () => {
  const content = Buffer.from("what is said once, and what is said once again ".repeat(5_000));
  const unpacked = (packed: Uint8Array, bounds = BOUNDS, pieces = 1_000) =>
    together(gunzip(inPieces(packed, pieces), bounds));

  test("gives the same bytes for the same, whichever way they came, and nothing of when or where", async () => {
    const packed = await together(gzip(inPieces(content)));
    expect(packed.subarray(0, 10).toString("hex")).toBe("1f8b08000000000000ff");
    expect(await together(gzip(inPieces(content)))).toEqual(packed);
    for (const pieces of [1, 9, 10, 11, 1e6]) expect(await unpacked(packed, BOUNDS, pieces)).toEqual(content);
    expect(await unpacked(await together(gzip(inPieces(Buffer.alloc(0)))))).toEqual(Buffer.alloc(0));
  });

  test("is bounded in what it unpacks to, and in how many times", async () => {
    const zeros = await together(gzip(inPieces(Buffer.alloc(20_000_000))));
    expect(zeros.length).toBeLessThan(30_000);
    await expect(unpacked(zeros, { ...BOUNDS, bytes: 1_000_000 })).rejects.toThrow(/more than the 1000000 bytes/);
    await expect(unpacked(zeros, { ...BOUNDS, ratio: 100, freeBytes: 1e6 })).rejects.toThrow(
      "more than 100 times its size",
    );
    expect((await unpacked(zeros, { ...BOUNDS, ratio: 100, freeBytes: 3e7 })).length).toBe(20_000_000);
  });

  test("of others, of several members, with more behind it or with another check sum is none", async () => {
    const packed = await together(gzip(inPieces(content)));
    const changed = (at: number): Buffer => {
      const other = Buffer.from(packed);
      other[at < 0 ? packed.length + at : at] = (other.at(at) ?? 0) ^ 1;
      return other;
    };
    for (const other of [
      gzipSync(content, { level: 9 }),
      Buffer.concat([packed, packed]),
      Buffer.concat([packed, Buffer.from("more")]),
      ...[0, 3, 4, 9, 30, -1, -4, -5, -8].map(changed),
      packed.subarray(0, -1),
      packed.subarray(0, packed.length >> 1),
      packed.subarray(0, 12),
      Buffer.alloc(0),
    ])
      await expect(unpacked(other)).rejects.toThrow(ArchiveError);
  });

  test("passes on the trouble of whoever it reads from, and lets go of it when its reader stops", async () => {
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield content;
      throw new Error("the disk is gone");
    };
    await expect(together(gzip(broken()))).rejects.toThrow("the disk is gone");
    let isOver = false;
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield content;
      } finally {
        isOver = true;
      }
    };
    for await (const chunk of gzip(endless())) if (chunk.length > 100) break;
    await expect.poll(() => isOver).toBe(true);
  });
});
