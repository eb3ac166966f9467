// Texts of hot statements travel with separators: whatever is in them arrives as it was. Not here: the statements.
import { expect, test } from "vitest";
import { placedArrays, placedSelect, placeIds, TEXTS } from "../../src/store/postgres/placed.ts";
import type { OrgId, PlanId } from "../../src/domain/id.ts";
import { asAdmin } from "../support/database.ts";
import { servers } from "../support/store.ts";

const ID = "00000000-0000-7000-8000-000000000001";

test.each([
  ["JSON", ['j{"a":"\\u001f\\\\"}', 'j{"b":"{},\\"\\n"}']],
  ["none", [null]],
  ["some", ["one", null, "three", null]],
  ["separators of its own", ["a\x1f", "\x1f", "\x1fb\x1e", "\x1e\x1f\x1e", null, "x\x1f\x1e\x1e", "\x1f\x1f"]],
  ["NULL as a word", ["NULL", null, "null"]],
])("%s", async (_, texts) => {
  const [server] = servers();
  if (server === undefined) throw new Error("no server to test on");
  const columns = [
    { name: "nr", type: "int", value: (it: { readonly nr: number; readonly text: string | null }) => it.nr },
    { name: "said", type: TEXTS, value: (it: { readonly nr: number; readonly text: string | null }) => it.text },
  ];
  const { text } = placedSelect("v.place, v.nr, v.said", columns, "ORDER BY v.nr");
  const ids = placeIds([{ orgId: ID as OrgId, planId: ID as PlanId }]);
  const rows = texts.map((one, nr) => ({ place: 1, it: { nr, text: one } }));
  // Nothing else tells Postgres what the ids are.
  const statement = `${text.replace(" ORDER BY", " WHERE $1::uuid[] IS NOT NULL AND $2::uuid[] IS NOT NULL ORDER BY")}`;
  const found = await asAdmin(server.adminUrl, (sql) => sql.unsafe(statement, placedArrays(ids, columns, rows)));
  expect(found.map((row) => row["said"] as unknown)).toEqual(texts);
});
