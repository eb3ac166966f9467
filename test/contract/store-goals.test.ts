// Goals in the store: orders, pages, and filters that mean in SQL what they mean in the domain.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { satisfies } from "../../src/domain/filter/filter.ts";
import type { Comparison, Filter, FilterField, FilterValue } from "../../src/domain/filter/filter.ts";
import type { AttributeValue, Goal, GoalView } from "../../src/domain/goal.ts";
import type { OrgId } from "../../src/domain/id.ts";
import type { GoalOrder } from "../../src/store/ports/goals.ts";
import { aCharter, addOrg, aGoal, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  let made: readonly Goal[];
  const charterNames = new Map<string, string>();

  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
    const charters = [aCharter(orgId, "upkeep"), aCharter(orgId, "growth")];
    for (const charter of charters) charterNames.set(charter.charterId, charter.name);
    const attributes: Readonly<Record<string, AttributeValue>>[] = [
      {},
      { size: { kind: "number", value: 1 } },
      { size: { kind: "number", value: 2.5 } },
      { size: { kind: "text", value: "1" } },
      { size: { kind: "flag", value: true } },
      { size: { kind: "time", value: 1 } },
      { size: { kind: "time", value: 1_700_000_000_000 }, other: { kind: "number", value: -1e300 } },
    ];
    const labels: Readonly<Record<string, string>>[] = [
      {},
      { team: "blue" },
      { team: "" },
      { team: 'odd "quoted" \\ %_', size: "1" },
    ];
    made = Array.from({ length: 56 }, (_, i) =>
      aGoal(
        charters[i % 2] ?? aCharter(orgId),
        {
          state: i % 3 === 0 ? "ACTIVE" : "DRAFT",
          createdMs: 1_000 + Math.floor(i / 5),
          finishedMs: i % 4 === 0 ? 9_000 - Math.floor(i / 8) : null,
        },
        {
          name: `goal ${String(i % 7)}`,
          intent: i % 2 === 0 ? "ship it 100%" : "",
          labels: labels[i % labels.length] ?? {},
          attributes: attributes[i % attributes.length] ?? {},
          inputs: i === 0 ? { kind: "json", text: '{"a":1}' } : null,
        },
      ),
    );
    await it.store.transaction([orgId], async (tx) => {
      for (const charter of charters) await tx.charters.add(charter);
      for (const goal of made) await tx.goals.add(goal);
    });
  });
  afterAll(() => it.end());

  const query = (
    order: GoalOrder,
    filter: Filter | null = null,
    page: { limit: number; after: (string | number | null)[] | null } = { limit: 1_000, after: null },
  ) =>
    it.store.transaction([orgId], (tx) => tx.goals.query(orgId, { charterId: null, filter, order }, page), {
      readOnly: true,
    });

  test("a goal comes back as it was added, with an empty plan", async () => {
    const [goal] = made;
    if (goal === undefined) throw new Error("no goal");
    const found = await it.store.transaction([orgId], (tx) => tx.goals.find(orgId, goal.planId));
    expect(found).toEqual({
      ...goal,
      activeVersion: 0,
      stepsTotal: 0,
      stepsEnded: 0,
      stepsSucceeded: 0,
      stepsFailed: 0,
    });
    expect(await it.store.transaction([orgId], (tx) => tx.plans.find(orgId, goal.planId))).toMatchObject({
      state: "UNCOMMITTED",
      newestVersion: 0,
      nextOrdinal: 1,
    });
  });

  const orders: Readonly<Record<GoalOrder, (goal: Goal) => readonly (string | number | null)[]>> = {
    "created_at desc": (g) => [g.createdMs, g.planId],
    created_at: (g) => [g.createdMs, g.planId],
    name: (g) => [g.spec.name, g.planId],
    "finished_at desc": (g) => [g.finishedMs, g.planId],
    finished_at: (g) => [g.finishedMs, g.planId],
  };
  test.each(Object.keys(orders) as GoalOrder[])(
    "ordered by %s, pages of any size join to the whole, without a goal twice",
    async (order) => {
      const key = orders[order];
      const less = (a: Goal, b: Goal): number => {
        const [[a1 = null, a2 = null], [b1 = null, b2 = null]] = [key(a), key(b)];
        const direction = order.endsWith("desc") ? -1 : 1;
        if ((a1 === null) !== (b1 === null)) return a1 === null ? 1 : -1;
        if (a1 !== b1 && a1 !== null && b1 !== null) return a1 < b1 ? -direction : direction;
        return (a2 ?? "") < (b2 ?? "") ? -direction : direction;
      };
      const wanted = made.toSorted(less).map((g) => g.planId);
      for (const limit of [1, 5, 13, 100]) {
        const found: GoalView[] = [];
        for (;;) {
          const last = found.at(-1);
          const page = await query(order, null, { limit, after: last === undefined ? null : [...key(last)] });
          found.push(...page);
          if (page.length < limit) break;
        }
        expect(found.map((g) => g.planId)).toEqual(wanted);
      }
    },
  );

  test("goals of one charter are found by it", async () => {
    const charterId = made[0]?.charterId ?? null;
    const found = await it.store.transaction([orgId], (tx) =>
      tx.goals.query(orgId, { charterId, filter: null, order: "name" }, { limit: 100, after: null }),
    );
    expect(found.map((g) => g.planId).toSorted()).toEqual(
      made
        .filter((g) => g.charterId === charterId)
        .map((g) => g.planId)
        .toSorted(),
    );
  });

  const fields: readonly FilterField[] = [
    { kind: "state" },
    { kind: "name" },
    { kind: "intent" },
    { kind: "charter" },
    { kind: "createdAt" },
    { kind: "finishedAt" },
    { kind: "label", name: "team" },
    { kind: "label", name: "absent' OR true --" },
    { kind: "attribute", name: "size" },
    { kind: "attribute", name: "other" },
  ];
  const values: readonly FilterValue[] = [
    { kind: "text", value: "ACTIVE" },
    { kind: "text", value: "goal 3" },
    { kind: "text", value: "upkeep" },
    { kind: "text", value: "blue" },
    { kind: "text", value: "" },
    { kind: "text", value: "1" },
    { kind: "text", value: 'odd "quoted" \\ %_' },
    { kind: "number", value: 1 },
    { kind: "number", value: 2.5 },
    { kind: "number", value: Infinity },
    { kind: "number", value: -1e300 },
    { kind: "flag", value: true },
    { kind: "flag", value: false },
    { kind: "time", value: 1 },
    { kind: "time", value: 1_005 },
    { kind: "time", value: 8_998 },
  ];
  // Texts are never ordered, see the domain's filter; what is asked all the same is false for labels and attributes.
  const ordered = (value: FilterValue): boolean => value.kind === "number" || value.kind === "time";
  const operators: readonly Comparison[] = ["==", "!=", "<", "<=", ">", ">="];
  const basic: readonly Filter[] = fields.flatMap((field): Filter[] => [
    { kind: "has", field },
    { kind: "in", field, values: [] },
    { kind: "in", field, values },
    ...["", "g", "goal", "upk", "%", '"quoted"', "\\"].flatMap((text): Filter[] => [
      { kind: "startsWith", field, text },
      { kind: "contains", field, text },
    ]),
    ...values.flatMap((value) =>
      operators
        .filter((o) => o === "==" || o === "!=" || ordered(value))
        .map((operator): Filter => ({ kind: "compare", field, operator, value })),
    ),
  ]);

  test("every filter finds what the domain says, and its negation the rest", async () => {
    const seen = made.map((goal) => ({
      id: goal.planId,
      ...goal,
      ...goal.spec,
      charter: charterNames.get(goal.charterId) ?? "",
    }));
    await it.store.transaction([orgId], async (tx) => {
      for (const filter of basic) {
        const wanted = seen
          .filter((goal) => satisfies(goal, filter))
          .map((g) => g.id)
          .toSorted();
        const [found, rest] = [
          await tx.goals.query(orgId, { charterId: null, filter, order: "created_at" }, { limit: 1_000, after: null }),
          await tx.goals.query(
            orgId,
            { charterId: null, filter: { kind: "not", term: filter }, order: "created_at" },
            { limit: 1_000, after: null },
          ),
        ];
        expect(found.map((g) => g.planId).toSorted(), JSON.stringify(filter)).toEqual(wanted);
        expect(found.length + rest.length, JSON.stringify(filter)).toBe(made.length);
      }
    });
  });

  test("terms are joined by and, or and not, with no terms as well", async () => {
    const active: Filter = {
      kind: "compare",
      field: { kind: "state" },
      operator: "==",
      value: { kind: "text", value: "ACTIVE" },
    };
    const blue: Filter = {
      kind: "compare",
      field: { kind: "label", name: "team" },
      operator: "==",
      value: { kind: "text", value: "blue" },
    };
    const count = async (filter: Filter): Promise<number> => (await query("name", filter)).length;
    const both = made.filter((g) => g.state === "ACTIVE" && g.spec.labels["team"] === "blue").length;
    const either = made.filter((g) => g.state === "ACTIVE" || g.spec.labels["team"] === "blue").length;
    expect(await count({ kind: "and", terms: [active, blue] })).toBe(both);
    expect(await count({ kind: "or", terms: [active, blue] })).toBe(either);
    expect(await count({ kind: "not", term: { kind: "or", terms: [active, blue] } })).toBe(made.length - either);
    expect(await count({ kind: "and", terms: [] })).toBe(made.length);
    expect(await count({ kind: "or", terms: [] })).toBe(0);
  });
});
