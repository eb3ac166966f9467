// What every command needs: its process, the flags that all commands share, and a server when it asks for one.
import { toJsonString } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { ServerClient } from "./client.ts";
import type { CliIo } from "./io.ts";

export interface GlobalFlags {
  readonly server?: string;
  readonly apiKey?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** How long a server may take to answer, such as `5s`. */
  readonly timeout?: string;
}

export interface Context {
  readonly io: CliIo;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly server: string;
  readonly apiKey: string | undefined;
  /** Says something on the way, of which the answer holds nothing: a line for people, an object for programs. */
  readonly notice: (text: string, more?: Readonly<Record<string, unknown>>) => void;
  /** Runs with a client, and closes its connection. */
  readonly withClient: <T>(use: (client: ServerClient) => Promise<T>) => Promise<T>;
}

export const DEFAULT_SERVER = "http://127.0.0.1:8001";

export function contextOf(io: CliIo, flags: GlobalFlags, server?: string): Context {
  const set = (name: string): string | undefined => (io.env[name] === "" ? undefined : io.env[name]);
  const at = server ?? flags.server ?? set("MAESTRO_URL") ?? DEFAULT_SERVER;
  const apiKey = flags.apiKey ?? set("MAESTRO_API_KEY");
  return {
    io,
    json: flags.json ?? false,
    quiet: flags.quiet ?? false,
    server: at,
    apiKey,
    notice: (text, more) =>
      io.err(flags.json === true ? `${JSON.stringify({ notice: text, ...more })}\n` : `${text}\n`),
    withClient: async (use) => {
      // Only who asks a server pays for loading what it takes.
      const { connectTo, patienceOf } = await import("./client.ts");
      const client = connectTo(at, apiKey, patienceOf(flags.timeout));
      try {
        return await use(client);
      } finally {
        client.close();
      }
    },
  };
}

/** A message as one line of JSON, in the contract's own names; what is empty is left out, as protobuf has it. */
export function jsonLine<D extends DescMessage>(schema: D, message: MessageShape<D>): string {
  return `${toJsonString(schema, message, { useProtoFieldName: true })}\n`;
}

/** The same of an answer to a question: a no is written, not left out. */
export function jsonAnswer<D extends DescMessage>(schema: D, message: MessageShape<D>): string {
  return `${toJsonString(schema, message, { useProtoFieldName: true, alwaysEmitImplicit: true })}\n`;
}
