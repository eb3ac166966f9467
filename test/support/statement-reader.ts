// Reads the statements that go over a cable to Postgres, each execution once, as pg_stat_statements counts them. Not here: which
// of them there may be.
import type { Splice } from "./cable.ts";

const SSL_REQUEST = 80_877_103;
const [QUERY, PARSE, BIND, EXECUTE] = [0x51, 0x50, 0x42, 0x45];

/** `heard` is called before the statement is passed on. */
export function readStatements(heard: (text: string) => void): Splice {
  return (near, far) => {
    const statements = new Map<string, string>();
    const portals = new Map<string, string>();
    let rest: Buffer = Buffer.alloc(0);
    let started = false;

    const hear = (message: Buffer): void => {
      const texts = (from: number, count: number): readonly string[] => {
        const found: string[] = [];
        for (let at = from; found.length < count;) {
          const end = message.indexOf(0, at);
          found.push(message.toString("utf8", at, end));
          at = end + 1;
        }
        return found;
      };
      const [first = "", second = ""] = texts(5, message[0] === PARSE || message[0] === BIND ? 2 : 1);
      if (message[0] === PARSE) statements.set(first, second);
      else if (message[0] === BIND) portals.set(first, statements.get(second) ?? "");
      else if (message[0] === EXECUTE) heard(portals.get(first) ?? "");
      else for (const text of first.split(";")) if (text.trim() !== "") heard(text.trim());
    };
    const read = (): void => {
      for (;;) {
        const head = started ? 1 : 0;
        if (rest.length < head + 4) return;
        const end = head + rest.readInt32BE(head);
        if (rest.length < end) return;
        const message = rest.subarray(0, end);
        if (!started) started = message.readInt32BE(4) !== SSL_REQUEST;
        else if (message[0] !== undefined && [QUERY, PARSE, BIND, EXECUTE].includes(message[0])) hear(message);
        rest = rest.subarray(end);
      }
    };
    near.on("data", (bytes: Buffer) => {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      read();
      far.write(bytes);
    });
    near.on("end", () => far.end());
    far.pipe(near);
  };
}
