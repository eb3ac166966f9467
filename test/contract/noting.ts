// A client that notes what its borrowers send. Not here: what is expected of it.
import type { Client, Connection } from "../../src/store/postgres/connection.ts";

export interface Sent {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

/** A client whose borrowers' statements are noted. */
export function noting(client: Client, sent: Sent[]): Client {
  return {
    ...client,
    reserve: async (signal) =>
      new Proxy(await client.reserve(signal), {
        get: (connection, name) =>
          name !== "unsafe"
            ? (Reflect.get(connection, name) as unknown)
            : (...args: Parameters<Connection["unsafe"]>) => {
                sent.push({ text: args[0], parameters: args[1] ?? [] });
                return connection.unsafe(...args);
              },
      }),
  };
}
