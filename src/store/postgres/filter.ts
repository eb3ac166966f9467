// Filters of goals as SQL over alias `g`; what they mean is said by `satisfies` in domain/filter/filter.ts. Every value is a
// parameter. Every test is true or false, never null, so that NOT means not. Not here: the query around them, see goals.ts.
import type { Comparison, Filter, FilterField, FilterValue } from "../../domain/filter/filter.ts";
import { attributeTerm, labelTerm, storedAttribute } from "./attributes.ts";
import { arrayLiteral } from "./columns.ts";

/** Adds a parameter and gives its place, such as `$3`. */
export type AddParameter = (value: unknown) => string;

const SQL_OPERATOR: Readonly<Record<Comparison, string>> = {
  "==": "=",
  "!=": "<>",
  "<": "<",
  "<=": "<=",
  ">": ">",
  ">=": ">=",
};
/** How a value's type shows in the stored attributes. */
const STORED_TYPE = { text: "string", number: "number", flag: "boolean", time: "object" } as const;

/** The condition of a filter. `org` is the place of the org's id. */
export function filterText(filter: Filter, add: AddParameter, org = "$1"): string {
  switch (filter.kind) {
    case "and":
      return filter.terms.length === 0
        ? "true"
        : `(${filter.terms.map((term) => filterText(term, add, org)).join(" AND ")})`;
    case "or":
      return filter.terms.length === 0
        ? "false"
        : `(${filter.terms.map((term) => filterText(term, add, org)).join(" OR ")})`;
    case "not":
      return `NOT ${filterText(filter.term, add, org)}`;
    case "compare":
      return compareText(filter.field, filter.operator, filter.value, add, org);
    case "in":
      return inText(filter.field, filter.values, add, org);
    case "has":
      return hasText(filter.field, add);
    case "startsWith":
      return textTest(filter.field, add, org, (text) => `starts_with(${text}, ${add(filter.text)}::text)`);
    case "contains":
      return textTest(filter.field, add, org, (text) => `strpos(${text}, ${add(filter.text)}::text) > 0`);
  }
}

function compareText(
  field: FilterField,
  operator: Comparison,
  value: FilterValue,
  add: AddParameter,
  org: string,
): string {
  const sign = SQL_OPERATOR[operator];
  switch (field.kind) {
    case "state":
    case "name":
    case "intent":
      return value.kind === "text" ? `g.${field.kind} ${sign} ${add(value.value)}::text` : "false";
    case "charter":
      return value.kind === "text" ? charterTest(`c.name ${sign} ${add(value.value)}::text`, org) : "false";
    case "createdAt":
      return value.kind === "time" ? `g.created_ms ${sign} ${add(value.value)}::bigint` : "false";
    case "finishedAt":
      return value.kind === "time"
        ? `(g.finished_ms IS NOT NULL AND g.finished_ms ${sign} ${add(value.value)}::bigint)`
        : "false";
    case "label": {
      if (value.kind !== "text") return "false";
      if (operator === "==") return termTest(labelTerm(field.name, value.value), add, org);
      // A parameter that no text names has no type: none is added for what is false anyway.
      return operator === "!="
        ? `(g.labels ? ${add(field.name)}::text AND NOT g.labels @> ${add(JSON.stringify({ [field.name]: value.value }))}::jsonb)`
        : "false";
    }
    case "attribute":
      return attributeText(field.name, operator, value, add, org);
  }
}

function attributeText(name: string, operator: Comparison, value: FilterValue, add: AddParameter, org: string): string {
  // JSON knows no infinity, and no attribute is one.
  const finite = value.kind !== "number" || Number.isFinite(value.value);
  if (operator === "==") return finite ? termTest(attributeTerm(name, value), add, org) : "false";
  const same = (): string =>
    finite ? `g.attributes @> ${add(JSON.stringify({ [name]: storedAttribute(value) }))}::jsonb` : "false";
  if (operator !== "!=" && value.kind !== "number" && value.kind !== "time") return "false";
  const attribute = `(g.attributes -> ${add(name)}::text)`;
  if (operator === "!=")
    return `(jsonb_typeof(${attribute}) IS NOT DISTINCT FROM '${STORED_TYPE[value.kind]}' AND NOT ${same()})`;
  const number = value.kind === "number" ? `${attribute}::float8` : `(${attribute} -> 'time')::float8`;
  // CASE, not AND: the order of a conjunction is the planner's, and a text is no number.
  return `CASE jsonb_typeof(${attribute}) WHEN '${STORED_TYPE[value.kind]}' THEN ${number} ${SQL_OPERATOR[operator]} ${add(String(value.value))}::float8 ELSE false END`;
}

function inText(field: FilterField, values: readonly FilterValue[], add: AddParameter, org: string): string {
  const texts = values.flatMap((value) => (value.kind === "text" ? [value.value] : []));
  switch (field.kind) {
    case "state":
    case "name":
    case "intent":
      return `g.${field.kind} = ANY(${add(arrayLiteral("text", texts))}::text[])`;
    case "charter":
      return charterTest(`c.name = ANY(${add(arrayLiteral("text", texts))}::text[])`, org);
    case "createdAt":
    case "finishedAt":
    case "label":
    case "attribute":
      return values.length === 0
        ? "false"
        : `(${values.map((value) => compareText(field, "==", value, add, org)).join(" OR ")})`;
  }
}

function hasText(field: FilterField, add: AddParameter): string {
  switch (field.kind) {
    case "label":
      return `g.labels ? ${add(field.name)}::text`;
    case "attribute":
      return `g.attributes ? ${add(field.name)}::text`;
    case "finishedAt":
      return "g.finished_ms IS NOT NULL";
    case "state":
    case "name":
    case "intent":
    case "charter":
    case "createdAt":
      return "true";
  }
}

function textTest(field: FilterField, add: AddParameter, org: string, test: (text: string) => string): string {
  switch (field.kind) {
    case "state":
    case "name":
    case "intent":
      return test(`g.${field.kind}`);
    case "charter":
      return charterTest(test("c.name"), org);
    case "label":
      return `coalesce(${test(`(g.labels ->> ${add(field.name)}::text)`)}, false)`;
    case "attribute": {
      const name = add(field.name);
      return `CASE jsonb_typeof(g.attributes -> ${name}::text) WHEN 'string' THEN ${test(`(g.attributes ->> ${name}::text)`)} ELSE false END`;
    }
    case "createdAt":
    case "finishedAt":
      return "false";
  }
}

/** Index: goal_terms_by_term. Terms are digests; 122 bits of SHA-256 are taken for the value itself. */
function termTest(term: string, add: AddParameter, org: string): string {
  return `g.plan_id IN (SELECT t.plan_id FROM maestro.goal_terms t WHERE t.org_id = ${org} AND t.term = ${add(term)}::uuid)`;
}

/** The charters are few and looked up once; goals_by_charter then finds their goals. */
function charterTest(condition: string, org: string): string {
  return `g.charter_id = ANY(ARRAY(SELECT c.charter_id FROM maestro.charters c WHERE c.org_id = ${org} AND ${condition}))`;
}
