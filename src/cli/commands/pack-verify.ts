// `maestro packs verify`: checks an exported pack, alone with the file. Not here: the checks, see pack/verify.ts.
import { createReadStream, readFileSync } from "node:fs";
import type { Context } from "../context.ts";
import { CommandEnd, FAILED, MISUSED } from "../io.ts";
import { unreadable } from "../unreadable-file.ts";
import { at, textAt } from "../pack/json.ts";
import { verifyPack } from "../pack/verify.ts";
import type { PackVerdict, Trust } from "../pack/verify.ts";
import { facts, harmless, table } from "../table.ts";
import { keyIdOf } from "../../support/dsse.ts";

export interface VerifyFlags {
  readonly key?: string;
  readonly keyId?: string;
}

export async function verifyPackFile(file: string, flags: VerifyFlags, context: Context): Promise<void> {
  const { io, json, quiet } = context;
  const trust = trustOf(flags);
  const verdict = await verifyPack(bytesOf(file), trust);
  const pinned = trust.kind !== "NONE";
  if (json) io.out(`${JSON.stringify(asJson(file, verdict, pinned))}\n`);
  else if (!quiet) io.out(`${report(file, verdict, pinned, io.columns)}\n`);
  if (verdict.ok) return;
  const failed = verdict.checks.filter(({ ok, checked }) => checked && !ok);
  const why = failed.map(({ check, found }) => `${check}: ${found}`).join("; ");
  throw new CommandEnd(FAILED, harmless(`${file} does not verify: ${why}`), { reason: "NOT_VERIFIED" });
}

function trustOf({ key, keyId }: VerifyFlags): Trust {
  if (key !== undefined && keyId !== undefined) throw new CommandEnd(MISUSED, "give --key or --key-id, not both");
  if (keyId !== undefined) {
    if (!/^sha256:[0-9a-f]{64}$/.test(keyId))
      throw new CommandEnd(MISUSED, "--key-id must be sha256: and 64 hexadecimal digits in lower case");
    return { kind: "KEY_ID", keyId };
  }
  if (key === undefined) return { kind: "NONE" };
  let publicPem: string;
  try {
    publicPem = readFileSync(key, "utf8");
  } catch (error) {
    throw unreadable(key, error);
  }
  try {
    keyIdOf(publicPem);
  } catch {
    // What the library of keys says of it is for its own makers.
    throw new CommandEnd(
      MISUSED,
      harmless(`${key} is no public key in PEM; one begins with -----BEGIN PUBLIC KEY-----`),
    );
  }
  return { kind: "KEY", publicPem };
}

/** As it is read; trouble with the file is the command's misuse, whatever is in it is not. */
async function* bytesOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* file === "-" ? process.stdin : createReadStream(file, { highWaterMark: 262_144 });
  } catch (error) {
    throw unreadable(file, error);
  }
}

function asJson(file: string, { ok, keyId, checks, manifest }: PackVerdict, pinned: boolean): object {
  return {
    file,
    ok,
    key_id: keyId,
    key_pinned: pinned,
    // Of an archive that does not verify, nothing is passed on as if it were true.
    ...(ok
      ? {
          run_id: at(manifest, "run", "id"),
          plan_id: at(manifest, "run", "plan_id"),
          disclosure_pack_id: at(manifest, "disclosure_pack", "id"),
          exported_at: at(manifest, "exported_at"),
          release_gate: at(manifest, "release_gate"),
          evidence: at(manifest, "artifacts", "evidence"),
          records: at(manifest, "records"),
        }
      : {}),
    checks,
  };
}

function report(file: string, verdict: PackVerdict, pinned: boolean, columns: number): string {
  const { ok, keyId, checks, manifest } = verdict;
  const rows = checks.map((one) => [one.check, one.ok ? "ok" : one.checked ? "FAILED" : "?", one.found]);
  const shown = table(["CHECK", "", "FOUND"], rows, Math.max(columns, 80));
  if (!ok) return shown;
  const about = facts([
    ["run", `${textAt(manifest, "run", "id")} ${textAt(manifest, "run", "name")}`],
    ["status", textAt(manifest, "run", "status")],
    ["pack", `${textAt(manifest, "disclosure_pack", "id")} ${textAt(manifest, "disclosure_pack", "summary")}`],
    ["exported", textAt(manifest, "exported_at")],
    ["gate", textAt(manifest, "release_gate", "message")],
    ["left out", leftOut(manifest)],
    ["key", keyId],
  ]);
  const whose = pinned
    ? "The key is the one that you gave."
    : "The key is the archive's own: all of it is as it was signed, and by whom is for you to find out. Give --key or --key-id.";
  return `${about}\n\n${shown}\n\n${harmless(file)} verifies. ${whose}`;
}

/** Artifacts whose content is not in it, by reason. */
function leftOut(manifest: unknown): string {
  const counts = at(manifest, "artifacts", "evidence", "left_out");
  const entries = Object.entries(typeof counts === "object" && counts !== null ? counts : {});
  return entries
    .filter(([, count]) => Number(count) > 0)
    .map(([why, count]) => `content of ${String(count)} (${why.replaceAll("_", " ")})`)
    .join(", ");
}
