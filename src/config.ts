// Settings of the server: flags before environment before file; every mistake is said at once. The only reader of the environment.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parse } from "yaml";

export interface Config {
  readonly host: string;
  /** 0 for a free one. */
  readonly port: number;
  readonly grpcPort: number;
  readonly dataDir: string;
  /** Null for the embedded engine. */
  readonly databaseUrl: string | null;
  /** Straight to the server, when `databaseUrl` names a pooler. */
  readonly directUrl: string | null;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly requireAuth: boolean;
  /** Secret of an API key that is made at start, the first one of an installation; null for none. */
  readonly bootstrapKey: string | null;
  readonly logLevel: string;
  readonly poolSize: number;
  /** Largest artifact, bytes. */
  readonly artifactMaxBytes: number;
  /** All artifacts of an org, bytes. */
  readonly artifactOrgBytes: number;
  /** Where evidence that is not kept here may be fetched from. */
  readonly evidence: {
    /** Folders, absolute. */
    readonly files: readonly string[];
    /** `host` or `host:port`. */
    readonly hosts: readonly string[];
    readonly s3: {
      readonly url: string;
      readonly keyId: string;
      readonly secret: string;
      readonly region: string;
      /** All that the key reaches when none are named. */
      readonly buckets: readonly string[];
    } | null;
  };
}

export type ConfigResult =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly mistakes: readonly string[] };

const GIB = 1024 ** 3;
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"];

interface Setting {
  readonly env: string;
  readonly kind: "text" | "number" | "flag" | "list";
  readonly help: string;
}

/** Every setting, by its name in the file; its flag is the same in kebab case. */
export const SETTINGS = {
  host: { env: "MAESTRO_HOST", kind: "text", help: "address to listen on (127.0.0.1)" },
  port: {
    env: "MAESTRO_PORT",
    kind: "number",
    help: "port for gRPC, gRPC-Web, Connect, REST and its page /docs (8001; 0 for a free one)",
  },
  grpcPort: { env: "MAESTRO_GRPC_PORT", kind: "number", help: "port of the native gRPC listener (port + 1)" },
  dataDir: { env: "MAESTRO_DATA_DIR", kind: "text", help: "folder of the embedded database" },
  databaseUrl: { env: "DATABASE_URL", kind: "text", help: "Postgres 15 or newer instead of the embedded one" },
  directUrl: { env: "MAESTRO_DIRECT_URL", kind: "text", help: "the same database past a pooler, for migrations" },
  poolSize: {
    env: "MAESTRO_POOL_SIZE",
    kind: "number",
    help: "connections to the database for operations (10); dispatch has half as many of its own, and five more stand apart",
  },
  artifactMaxBytes: {
    env: "MAESTRO_ARTIFACT_MAX_BYTES",
    kind: "number",
    help: "size of the largest artifact, bytes (1 GiB)",
  },
  artifactOrgBytes: {
    env: "MAESTRO_ARTIFACT_ORG_BYTES",
    kind: "number",
    help: "what all artifacts of an org may take, bytes (10 GiB)",
  },
  evidenceFiles: {
    env: "MAESTRO_EVIDENCE_FILES",
    kind: "list",
    help: "folders below which the release gate may read files, separated by commas",
  },
  evidenceHosts: {
    env: "MAESTRO_EVIDENCE_HOSTS",
    kind: "list",
    help: "hosts, or host:port, that the release gate may fetch from over HTTP, separated by commas",
  },
  evidenceS3Url: {
    env: "MAESTRO_EVIDENCE_S3_URL",
    kind: "text",
    help: "store that speaks S3, for evidence at s3:// addresses",
  },
  evidenceS3KeyId: { env: "MAESTRO_EVIDENCE_S3_KEY_ID", kind: "text", help: "id of the key to that store" },
  evidenceS3Secret: { env: "MAESTRO_EVIDENCE_S3_SECRET", kind: "text", help: "secret of the key to that store" },
  evidenceS3Region: { env: "MAESTRO_EVIDENCE_S3_REGION", kind: "text", help: "its region (us-east-1)" },
  evidenceS3Buckets: {
    env: "MAESTRO_EVIDENCE_S3_BUCKETS",
    kind: "list",
    help: "its buckets that evidence may be in, separated by commas (all that the key reaches)",
  },
  tlsCert: { env: "MAESTRO_TLS_CERT", kind: "text", help: "certificate chain, PEM file" },
  tlsKey: { env: "MAESTRO_TLS_KEY", kind: "text", help: "private key, PEM file" },
  allowedHosts: {
    env: "MAESTRO_ALLOWED_HOSTS",
    kind: "list",
    help: "host names under which browsers may call, separated by commas",
  },
  allowedOrigins: {
    env: "MAESTRO_ALLOWED_ORIGINS",
    kind: "list",
    help: "origins of other sites that may call, separated by commas",
  },
  requireAuth: {
    env: "MAESTRO_REQUIRE_AUTH",
    kind: "flag",
    help: "no call without an API key, not even from this machine",
  },
  bootstrapKey: {
    env: "MAESTRO_BOOTSTRAP_KEY",
    kind: "text",
    help: "API key that may do everything in org default, made at start unless it exists; at least 32 characters",
  },
  allowPlaintext: { env: "MAESTRO_ALLOW_PLAINTEXT", kind: "flag", help: "listen beyond this machine without TLS" },
  logLevel: { env: "MAESTRO_LOG_LEVEL", kind: "text", help: `one of ${LOG_LEVELS.join(", ")} (info)` },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;
type Values = Partial<Record<SettingName, unknown>>;

export interface ConfigSources {
  /** By setting name; what a flag without a value says is true. */
  readonly flags: Values;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** JSON or YAML. */
  readonly file?: string | undefined;
}

export function flagOf(name: SettingName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function readConfig({ flags, environment, file }: ConfigSources): ConfigResult {
  const mistakes: string[] = [];
  const filed = file === undefined ? {} : readFile(file, mistakes);
  const names = Object.keys(SETTINGS) as SettingName[];
  /** A setting with where it came from, for the mistake that it may be. */
  const given = new Map<SettingName, { readonly value: unknown; readonly from: string }>();
  for (const name of names) {
    const { env } = SETTINGS[name];
    // An empty variable is how a shell says none.
    const inEnvironment = environment[env] === "" ? undefined : environment[env];
    if (flags[name] !== undefined) given.set(name, { value: flags[name], from: flagOf(name) });
    else if (inEnvironment !== undefined) given.set(name, { value: inEnvironment, from: env });
    else if (filed[name] !== undefined && filed[name] !== null)
      given.set(name, { value: filed[name], from: `${name} in ${file ?? ""}` });
  }
  const say = (name: SettingName, what: string): void =>
    void mistakes.push(`${given.get(name)?.from ?? SETTINGS[name].env} ${what}`);

  const text = (name: SettingName): string | null => {
    const value = given.get(name)?.value;
    if (value === undefined) return null;
    if (typeof value === "string" || typeof value === "number") return String(value);
    say(name, "must be a text");
    return null;
  };
  const number = (name: SettingName, usual: number, least: number, most: number): number => {
    const value = text(name);
    if (value === null) return usual;
    if (/^\d+$/.test(value) && Number(value) >= least && Number(value) <= most) return Number(value);
    say(name, `must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}`);
    return usual;
  };
  const flag = (name: SettingName): boolean => {
    const value = given.get(name)?.value;
    if (value === undefined) return false;
    if (typeof value === "boolean") return value;
    const said = typeof value === "string" || typeof value === "number" ? String(value) : "";
    if (/^(1|true|yes|on)$/i.test(said)) return true;
    if (!/^(0|false|no|off)$/i.test(said)) say(name, `must be true or false, not ${JSON.stringify(value)}`);
    return false;
  };
  const list = (name: SettingName): readonly string[] => {
    const value = given.get(name)?.value;
    if (value === undefined) return [];
    const parts: readonly unknown[] = Array.isArray(value)
      ? value
      : typeof value === "string"
        ? value.split(",")
        : [value];
    if (parts.some((part) => typeof part !== "string")) say(name, "must be a list of texts");
    return parts.map((part) => String(part).trim()).filter((part) => part !== "");
  };

  const host = text("host") ?? "127.0.0.1";
  const port = number("port", 8001, 0, 65_535);
  const grpcPort = number("grpcPort", port === 0 ? 0 : port + 1, 0, 65_535);
  if (grpcPort !== 0 && grpcPort === port) say("grpcPort", `must not be ${port}, which is the other listener's port`);
  if (grpcPort > 65_535) say("port", "leaves no port after it: set MAESTRO_GRPC_PORT as well");
  const logLevel = text("logLevel") ?? "info";
  if (!LOG_LEVELS.includes(logLevel))
    say("logLevel", `must be one of ${LOG_LEVELS.join(", ")}, not ${JSON.stringify(logLevel)}`);
  const databaseUrl = postgresUrl("databaseUrl", text, say);
  const directUrl = postgresUrl("directUrl", text, say);
  if (directUrl !== null && databaseUrl === null) say("directUrl", "needs DATABASE_URL");
  const certFile = text("tlsCert");
  const keyFile = text("tlsKey");
  if ((certFile === null) !== (keyFile === null))
    say(certFile === null ? "tlsKey" : "tlsCert", "needs the other of certificate and key");
  const allowedOrigins = list("allowedOrigins");
  for (const origin of allowedOrigins)
    if (!/^https?:\/\/[^/\s]+$/.test(origin))
      say("allowedOrigins", `must hold origins such as https://app.example.org, not ${JSON.stringify(origin)}`);
  const requireAuth = flag("requireAuth");
  if (!isLoopbackHost(host)) {
    if (!requireAuth)
      say(
        "host",
        `${JSON.stringify(host)} is reached from other machines: set MAESTRO_REQUIRE_AUTH=true, and MAESTRO_BOOTSTRAP_KEY for the first API key`,
      );
    if (certFile === null && !flag("allowPlaintext"))
      say(
        "host",
        `${JSON.stringify(host)} would be served without TLS: set MAESTRO_TLS_CERT and MAESTRO_TLS_KEY, or MAESTRO_ALLOW_PLAINTEXT=true behind a proxy that has it`,
      );
  }
  const bootstrapKey = text("bootstrapKey");
  // Without repeating it: it is a secret.
  if (bootstrapKey !== null && !/^[!-~]{32,256}$/.test(bootstrapKey))
    say("bootstrapKey", "must be 32 to 256 visible ASCII characters without spaces; `openssl rand -hex 32` makes one");
  const poolSize = number("poolSize", 10, 2, 200);
  const artifactMaxBytes = number("artifactMaxBytes", GIB, 0, 1_024 * GIB);
  const artifactOrgBytes = number("artifactOrgBytes", 10 * GIB, 0, Number.MAX_SAFE_INTEGER);
  const evidenceHosts = list("evidenceHosts");
  for (const one of evidenceHosts)
    if (!/^(\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9.-]*)(:\d{1,5})?$/i.test(one))
      say("evidenceHosts", `must hold hosts such as builds.example.org or 10.0.0.7:8080, not ${JSON.stringify(one)}`);
  const s3 = s3Store(text, list, say);
  if (mistakes.length > 0) return { ok: false, mistakes };
  return {
    ok: true,
    config: {
      host,
      port,
      grpcPort,
      dataDir: resolve(text("dataDir") ?? defaultDataDir(environment)),
      databaseUrl,
      directUrl,
      tls: certFile === null || keyFile === null ? null : { certFile, keyFile },
      allowedHosts: list("allowedHosts"),
      allowedOrigins,
      requireAuth,
      bootstrapKey,
      logLevel,
      poolSize,
      artifactMaxBytes,
      artifactOrgBytes,
      evidence: { files: list("evidenceFiles").map((folder) => resolve(folder)), hosts: evidenceHosts, s3 },
    },
  };
}

/** Where programs of this system keep their data. */
export function defaultDataDir(
  environment: Readonly<Record<string, string | undefined>>,
  platform: NodeJS.Platform = process.platform,
): string {
  if (platform === "win32") return join(environment["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local"), "maestro");
  if (platform === "darwin") return join(homedir(), "Library", "Application Support", "maestro");
  return join(environment["XDG_DATA_HOME"] ?? join(homedir(), ".local", "share"), "maestro");
}

function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function postgresUrl(
  name: "databaseUrl" | "directUrl",
  text: (name: SettingName) => string | null,
  say: (name: SettingName, what: string) => void,
): string | null {
  const url = text(name);
  // Without repeating it: it may hold a password.
  if (url !== null && !/^postgres(ql)?:\/\/./.test(url))
    say(name, "must be written as postgres://user:password@host:5432/database");
  return url;
}

function s3Store(
  text: (name: SettingName) => string | null,
  list: (name: SettingName) => readonly string[],
  say: (name: SettingName, what: string) => void,
): Config["evidence"]["s3"] {
  const url = text("evidenceS3Url");
  const [keyId, secret] = [text("evidenceS3KeyId"), text("evidenceS3Secret")];
  const region = text("evidenceS3Region") ?? "us-east-1";
  if (url === null) {
    for (const name of ["evidenceS3KeyId", "evidenceS3Secret"] as const)
      if (text(name) !== null) say(name, "needs MAESTRO_EVIDENCE_S3_URL");
    return null;
  }
  if (!/^https?:\/\/[^/?#@\s]+(\/[^?#\s]*)?$/.test(url))
    say("evidenceS3Url", `must be an address such as https://s3.example.org, not ${JSON.stringify(url)}`);
  if (keyId === null) say("evidenceS3Url", "needs MAESTRO_EVIDENCE_S3_KEY_ID");
  if (secret === null) say("evidenceS3Url", "needs MAESTRO_EVIDENCE_S3_SECRET");
  return keyId === null || secret === null ? null : { url, keyId, secret, region, buckets: list("evidenceS3Buckets") };
}

function readFile(file: string, mistakes: string[]): Values {
  let content: unknown;
  try {
    // JSON is YAML.
    content = parse(readFileSync(file, "utf8"));
  } catch (error) {
    mistakes.push(
      `${file} cannot be read: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : "unknown"}`,
    );
    return {};
  }
  if (content === null) return {};
  if (typeof content !== "object" || Array.isArray(content)) {
    mistakes.push(`${file} must hold settings by name`);
    return {};
  }
  for (const name of Object.keys(content))
    if (!Object.hasOwn(SETTINGS, name))
      mistakes.push(`${name} in ${file} is not a setting; there are ${Object.keys(SETTINGS).join(", ")}`);
  return content;
}
