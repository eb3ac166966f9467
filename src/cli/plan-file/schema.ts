// The plan file as JSON Schema, for editors. `schema.json` beside this file is what this makes; a test holds the two together.
import type { JsonSchema } from "./kinds.ts";
import { planFile } from "./shape.ts";

export function planFileSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Maestro plan file",
    description: "A charter, a goal and its steps, as `maestro apply` takes them.",
    ...planFile.schema,
  };
}
