// What is refused behind a DATABASE_URL. The roles are made on an embedded server; old majors are judged by their version number.
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import type { EngineHandle } from "../../src/store/postgres/engines/embedded.ts";
import { checkServer, judge } from "../../src/store/postgres/engines/server.ts";
import { removeFolder, scratchFolder } from "./engines-support.ts";

let scratch: string;
let engine: EngineHandle;

beforeAll(async () => {
  scratch = await scratchFolder();
  engine = await startEmbedded({ dataDir: join(scratch, "data"), log: () => undefined });
});
afterAll(async () => {
  await engine.stop();
  await removeFolder(scratch);
});

test("a plain role is taken, with the server's major", async () => {
  expect(await checkServer(engine.url)).toEqual({ major: 18, role: "maestro_app" });
});

test("a superuser is refused", () =>
  expect(checkServer(engine.adminUrl)).rejects.toMatchObject({
    reason: "superuser",
    message: expect.stringContaining("NOSUPERUSER") as string,
  }));

test("a role that bypasses row-level security is refused", async () => {
  const admin = postgres(engine.adminUrl, { max: 1 });
  await admin`ALTER ROLE maestro_app BYPASSRLS`;
  await expect(checkServer(engine.url)).rejects.toMatchObject({ reason: "bypass-rls" });
  await admin`ALTER ROLE maestro_app NOBYPASSRLS`;
  await admin.end();
});

test("a superuser that wears a lesser role is refused", async () => {
  const url = new URL(engine.adminUrl);
  url.searchParams.set("role", "maestro_app");
  await expect(checkServer(url.href)).rejects.toMatchObject({ reason: "superuser" });
});

test("Postgres 14 is too old and 15 is not", () => {
  const row = { role: "app", superuser: false, bypass: false };
  expect(() => judge({ ...row, version: 140_011 }, "host/db")).toThrow(/Postgres 14; Maestro needs 15/);
  expect(judge({ ...row, version: 150_000 }, "host/db").major).toBe(15);
});

test.each([
  ["a wrong password", (url: URL) => void (url.password = "secret-guess"), "login-refused"],
  ["a database that is not there", (url: URL) => void (url.pathname = "/absent"), "login-refused"],
  ["a port where nobody listens", (url: URL) => void (url.port = "1"), "unreachable"],
  ["a host that does not exist", (url: URL) => void (url.hostname = "absent.invalid"), "unreachable"],
  ["another protocol", (url: URL) => void (url.href = "https://user:secret-guess@host/db"), "bad-url"],
])("%s is named, without the password", async (_what, spoil, reason) => {
  const url = new URL(engine.url);
  spoil(url);
  const refusal: unknown = await checkServer(url.href).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ reason });
  expect(String(refusal)).not.toMatch(/secret-guess/);
  expect(String(refusal)).not.toContain(url.password === "" ? "secret-guess" : url.password);
});
