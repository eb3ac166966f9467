// The server engine: any Postgres 15 or newer that somebody else runs, checked before use. Not here: pools, queries, migrations.
import postgres from "postgres";
import { dialsOnce } from "../dial.ts";
import { EngineError, systemCode } from "./engine-error.ts";

/** The oldest major Maestro's SQL runs on. */
export const oldestMajor = 15;

/** What was found behind a URL. */
export interface ServerFacts {
  readonly major: number;
  readonly role: string;
}

/** How long a connection may take, and all that is asked on it. */
const CONNECT_MS = 5_000;
const LOOK_MS = 20_000;

interface Row {
  readonly version: number;
  readonly role: string;
  readonly superuser: boolean;
  readonly bypass: boolean;
}

/**
 * Logs in once and refuses what Maestro must not run on: a server older than 15, or a role that row-level security does not bind.
 * Throws EngineError, whose messages never contain the password, or the signal's reason.
 */
export async function checkServer(url: string, signal?: AbortSignal): Promise<ServerFacts> {
  signal?.throwIfAborted();
  const place = describeUrl(url);
  const sql = postgres(url, {
    max: 1,
    connect_timeout: CONNECT_MS / 1_000,
    idle_timeout: 1,
    onnotice: () => undefined,
    fetch_types: false,
    prepare: false,
    socket: dialsOnce(CONNECT_MS),
  } as postgres.Options<Record<string, postgres.PostgresType>>);
  const bound = boundOf(signal);
  try {
    // Both users: a session may have been put into a lesser role that it can leave again.
    const asked = sql<Row[]>`
      SELECT current_setting('server_version_num')::int AS version, current_user::text AS role,
             bool_or(rolsuper) AS superuser, bool_or(rolbypassrls) AS bypass
      FROM pg_catalog.pg_roles WHERE rolname IN (current_user, session_user)`;
    const [row] = await Promise.race([asked, bound.passed]);
    if (row === undefined)
      throw new EngineError("login-refused", `The server ${place} does not say who we are.`, "Check DATABASE_URL.");
    return judge(row, place);
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof EngineError ? error : connectionTrouble(place, error);
  } finally {
    bound.lift();
    // At once when it is called off: there is nothing to wait for.
    await sql.end({ timeout: signal?.aborted === true ? 0 : 1 });
  }
}

/** Rejects when the look takes too long, or is called off. */
function boundOf(signal?: AbortSignal): { readonly passed: Promise<never>; readonly lift: () => void } {
  let lift = (): void => undefined;
  const passed = new Promise<never>((_resolve, reject) => {
    const tooLate = (): void => reject(Object.assign(new Error("too slow"), { code: "CONNECT_TIMEOUT" }));
    const late = setTimeout(tooLate, LOOK_MS);
    const callOff = (): void => reject(new Error("called off"));
    signal?.addEventListener("abort", callOff, { once: true });
    lift = () => {
      clearTimeout(late);
      signal?.removeEventListener("abort", callOff);
    };
  });
  return { passed, lift };
}

/** The rules, apart from the connection. Exported because no test can have every old server at hand. */
export function judge({ version, role, superuser, bypass }: Row, place: string): ServerFacts {
  const major = Math.floor(version / 10_000);
  if (major < oldestMajor) {
    throw new EngineError(
      "too-old",
      `The server ${place} is Postgres ${major}; Maestro needs ${oldestMajor} or newer.`,
      "Upgrade it, or use another server.",
    );
  }
  const why = `row-level security, which keeps the organizations apart, does not bind it`;
  const remedy = "Log in as a role made with CREATE ROLE … LOGIN NOSUPERUSER NOBYPASSRLS that owns the database.";
  if (superuser) throw new EngineError("superuser", `The role ${role} on ${place} is a superuser: ${why}.`, remedy);
  if (bypass) throw new EngineError("bypass-rls", `The role ${role} on ${place} has BYPASSRLS: ${why}.`, remedy);
  return { major, role };
}

function describeUrl(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    if (protocol === "postgres:" || protocol === "postgresql:") return `${host === "" ? "localhost" : host}${pathname}`;
  } catch {
    // Refused below, without repeating it: it may contain a password.
  }
  throw new EngineError(
    "bad-url",
    "DATABASE_URL is not a Postgres address.",
    "Write it as postgres://user:password@host:5432/database.",
  );
}

function connectionTrouble(place: string, error: unknown): EngineError {
  const code = systemCode(error);
  // SQLSTATE class 28: wrong user or password, or no rule that lets them in; 3D000: no such database.
  if (code.startsWith("28") || code === "3D000" || code === "42501") {
    const what = code === "3D000" ? "has no such database" : "refuses this login";
    return new EngineError(
      "login-refused",
      `The server ${place} ${what} (${code}).`,
      "Check user, password and database in DATABASE_URL.",
      error,
    );
  }
  if (code === "CONNECTION_CLOSED") {
    return new EngineError(
      "unreachable",
      `What listens at ${place} is no Postgres, or has none behind it: it ended the connection before the login was over.`,
      "Check that DATABASE_URL names the right host and port.",
      error,
    );
  }
  return new EngineError(
    "unreachable",
    `No Postgres answers at ${place} (${code === "" ? "no code" : code}).`,
    "Check that it runs and that DATABASE_URL names the right host and port.",
    error,
  );
}
