// The installation and the server processes that work on it. Not here: statements.
import { bigint, boolean, integer, text, uuid } from "drizzle-orm/pg-core";
import type { SessionId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const installation = maestro.table("installation", {
  singleton: boolean("singleton").default(true).primaryKey(),
  installationId: uuid("installation_id").notNull(),
  /** High part of fencing numbers; raised when a backup is restored. */
  storeEpoch: integer("store_epoch").notNull(),
  createdMs: bigint("created_ms", { mode: "number" }).notNull(),
});

export const serverSessions = maestro.table("server_sessions", {
  sessionId: uuid("session_id").$type<SessionId>().primaryKey(),
  address: text("address").notNull(),
  build: text("build").notNull(),
  startedMs: bigint("started_ms", { mode: "number" }).notNull(),
  /** Renewed every second; leases of a lapsed session are swept. */
  expiresMs: bigint("expires_ms", { mode: "number" }).notNull(),
  /** Set when the server said goodbye. */
  endedMs: bigint("ended_ms", { mode: "number" }),
});
