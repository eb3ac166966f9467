// The Postgres schema all tables live in, and the column type that the query builder lacks. Not here: tables.
import { customType, pgSchema } from "drizzle-orm/pg-core";

export const maestro = pgSchema("maestro");

/** Raw bytes. */
export const bytes = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => "bytea" });
