// What the contract's own files say of messages, fields and rpcs: descriptors leave comments out, so they are read where they are written.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { DescEnum, DescField, DescFile, DescMessage, DescMethod } from "@bufbuild/protobuf";

export interface Comments {
  of(desc: DescMessage | DescEnum | DescField | DescMethod): string;
}

/** Reads files of the contract when something of them is first asked for. */
export function contractComments(): Comments {
  const folder = join(dirname(createRequire(import.meta.url).resolve("maestro/package.json")), "proto");
  const read = new Map<string, ReadonlyMap<string, string>>();
  const commentsOf = (file: DescFile): ReadonlyMap<string, string> => {
    const known = read.get(file.name);
    if (known !== undefined) return known;
    const comments = commentsIn(readFileSync(join(folder, `${file.name}.proto`), "utf8"));
    read.set(file.name, comments);
    return comments;
  };
  return {
    of(desc) {
      switch (desc.kind) {
        case "message":
        case "enum":
          return commentsOf(desc.file).get(desc.name) ?? "";
        case "field":
          return commentsOf(desc.parent.file).get(`${desc.parent.name}.${desc.name}`) ?? "";
        case "rpc":
          return commentsOf(desc.parent.file).get(`${desc.parent.name}.${desc.name}`) ?? "";
      }
    },
  };
}

const SCOPE = /^(?:message|enum|service|oneof) (\w+) \{/;
const MEMBER = /^(?:rpc (\w+)\(|(?:optional |repeated )?[\w.<>, ]+ (\w+) = \d+|(\w+) = \d+)/;

/** Comments by `Message`, `Message.field`, `Service.Method`; the files are formatted, a line each. */
function commentsIn(text: string): ReadonlyMap<string, string> {
  const comments = new Map<string, string>();
  const scopes: string[] = [];
  let said: string[] = [];
  for (const line of text.split("\n").map((one) => one.trim())) {
    if (line.startsWith("//")) {
      said.push(line.slice(2).trim());
      continue;
    }
    const scope = SCOPE.exec(line)?.[1];
    const member = MEMBER.exec(line);
    // A oneof is no level of its own: its members are the message's.
    const owner = scopes.findLast((name) => name !== "");
    if (scope !== undefined) comments.set(scope, said.join("\n"));
    else if (member !== null && owner !== undefined)
      comments.set(`${owner}.${member[1] ?? member[2] ?? member[3] ?? ""}`, said.join("\n"));
    said = [];
    const named = scope !== undefined && !line.startsWith("oneof") ? scope : "";
    for (const brace of line.replaceAll(/"[^"]*"/g, "").match(/[{}]/g) ?? []) {
      if (brace === "{") scopes.push(named);
      else scopes.pop();
    }
  }
  return comments;
}
