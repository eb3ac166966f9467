// Settings: where they come from, and that every mistake is said at once.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import type { Config, ConfigSources } from "../../src/config.ts";

function good(sources: Partial<ConfigSources>): Config {
  const read = readConfig({ flags: {}, environment: {}, ...sources });
  if (!read.ok) throw new Error(read.mistakes.join("\n"));
  return read.config;
}

function mistakes(sources: Partial<ConfigSources>): readonly string[] {
  const read = readConfig({ flags: {}, environment: {}, ...sources });
  return read.ok ? [] : read.mistakes;
}

const folder = mkdtempSync(join(tmpdir(), "maestro-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("settings", () => {
  test("need not be given: loopback, 8001 and the port after it, an embedded database", () => {
    expect(good({})).toMatchObject({
      host: "127.0.0.1",
      port: 8001,
      grpcPort: 8002,
      databaseUrl: null,
      requireAuth: false,
    });
  });

  test("come from flags before environment before file", () => {
    const path = file("maestro.yaml", "port: 1000\ngrpcPort: 1001\nlogLevel: warn\n");
    const config = good({
      file: path,
      environment: { MAESTRO_PORT: "2000", MAESTRO_GRPC_PORT: "2001" },
      flags: { port: "3000" },
    });
    expect(config).toMatchObject({ port: 3000, grpcPort: 2001, logLevel: "warn" });
  });

  test("may be a JSON file with lists", () => {
    expect(
      good({ file: file("maestro.json", '{"allowedHosts": ["a.example.org", "b.example.org"]}') }).allowedHosts,
    ).toEqual(["a.example.org", "b.example.org"]);
  });

  test("with port 0 take a free port for gRPC as well", () => {
    expect(good({ environment: { MAESTRO_PORT: "0" } })).toMatchObject({ port: 0, grpcPort: 0 });
  });

  test("that are empty in the environment are not given", () => {
    expect(good({ environment: { DATABASE_URL: "", MAESTRO_PORT: "" } })).toMatchObject({
      databaseUrl: null,
      port: 8001,
    });
  });

  test("have all of their mistakes named at once, each by where it is", () => {
    const found = mistakes({
      file: file("maestro.yaml", "prot: 1\npoolSize: many\n"),
      environment: {
        MAESTRO_PORT: "70000",
        DATABASE_URL: "mysql://secret@host/db",
        MAESTRO_TLS_CERT: "cert.pem",
        MAESTRO_ALLOWED_ORIGINS: "example.org",
      },
      flags: { logLevel: "loud" },
    });
    for (const what of [
      "prot in",
      "poolSize in",
      "MAESTRO_PORT",
      "DATABASE_URL",
      "MAESTRO_TLS_CERT",
      "MAESTRO_ALLOWED_ORIGINS",
      "--log-level",
    ]) {
      expect(
        found.some((mistake) => mistake.includes(what)),
        what,
      ).toBe(true);
    }
    expect(found.join("\n")).not.toContain("secret");
  });

  test("for an address beyond this machine need authentication, and TLS or a flag that says otherwise", () => {
    expect(mistakes({ environment: { MAESTRO_HOST: "0.0.0.0" } })).toHaveLength(2);
    expect(mistakes({ environment: { MAESTRO_HOST: "0.0.0.0", MAESTRO_REQUIRE_AUTH: "true" } })).toHaveLength(1);
    expect(
      good({ environment: { MAESTRO_HOST: "0.0.0.0", MAESTRO_REQUIRE_AUTH: "true", MAESTRO_ALLOW_PLAINTEXT: "1" } })
        .host,
    ).toBe("0.0.0.0");
  });

  test("hold a bootstrap key that cannot be guessed, and is not repeated when it is refused", () => {
    const key = "correct horse battery staple and more";
    expect(mistakes({ environment: { MAESTRO_BOOTSTRAP_KEY: key } })).toEqual([
      expect.not.stringContaining(key) as string,
    ]);
    expect(mistakes({ environment: { MAESTRO_BOOTSTRAP_KEY: "short" } })).toHaveLength(1);
    const fine = "0123456789abcdef0123456789abcdef";
    expect(good({ environment: { MAESTRO_BOOTSTRAP_KEY: fine } }).bootstrapKey).toBe(fine);
    expect(good({ environment: {} }).bootstrapKey).toBeNull();
  });

  test("in a file that cannot be read are a mistake", () => {
    expect(mistakes({ file: "/nowhere/maestro.yaml" })).toHaveLength(1);
    expect(mistakes({ file: file("list.yaml", "- port\n") })).toHaveLength(1);
  });
});

describe("places of evidence", () => {
  test("are none unless they are named", () => {
    expect(good({}).evidence).toEqual({ files: [], hosts: [], s3: null });
  });

  test("are folders, hosts and a store", () => {
    const environment = {
      MAESTRO_EVIDENCE_FILES: `${folder}, relative`,
      MAESTRO_EVIDENCE_HOSTS: "builds.example.org, 10.0.0.7:8080,[::1]:9",
      MAESTRO_EVIDENCE_S3_URL: "https://s3.example.org",
      MAESTRO_EVIDENCE_S3_KEY_ID: "id",
      MAESTRO_EVIDENCE_S3_SECRET: "secret",
      MAESTRO_EVIDENCE_S3_BUCKETS: "artifacts, builds",
    };
    expect(good({ environment }).evidence).toEqual({
      files: [folder, join(process.cwd(), "relative")],
      hosts: ["builds.example.org", "10.0.0.7:8080", "[::1]:9"],
      s3: {
        url: "https://s3.example.org",
        keyId: "id",
        secret: "secret",
        region: "us-east-1",
        buckets: ["artifacts", "builds"],
      },
    });
  });

  test("are refused when they are half said, or are none", () => {
    const hosts = mistakes({ environment: { MAESTRO_EVIDENCE_HOSTS: "https://builds.example.org" } });
    expect(hosts).toEqual([expect.stringContaining("MAESTRO_EVIDENCE_HOSTS must hold hosts such as")]);
    const store = mistakes({ environment: { MAESTRO_EVIDENCE_S3_URL: "s3.example.org" } });
    expect(store).toEqual([
      expect.stringContaining("must be an address such as https://s3.example.org"),
      "MAESTRO_EVIDENCE_S3_URL needs MAESTRO_EVIDENCE_S3_KEY_ID",
      "MAESTRO_EVIDENCE_S3_URL needs MAESTRO_EVIDENCE_S3_SECRET",
    ]);
    // The secret is not repeated.
    expect(mistakes({ environment: { MAESTRO_EVIDENCE_S3_SECRET: "hush" } })).toEqual([
      "MAESTRO_EVIDENCE_S3_SECRET needs MAESTRO_EVIDENCE_S3_URL",
    ]);
  });
});
