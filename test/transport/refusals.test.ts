// Refusals in each protocol's own words: the same everywhere, with ids as the wire knows them.
import { expect, test } from "vitest";
import { notFound } from "../../src/domain/refusal.ts";
import { connectError, grpcStatus } from "../../src/transport/refusals.ts";

test("messages name ids in the wire's form, as their details do", () => {
  const { refusal } = notFound("plan", "01a1fd83-0a35-7000-8000-000000000001");
  const { rawMessage, details } = connectError(refusal);
  expect(rawMessage).toMatch(/^There is no plan plan_[0-9a-z]{26}\.$/);
  expect(details).toMatchObject([{ value: { explanation: rawMessage } }]);
  const status = grpcStatus(refusal);
  expect([status.message, status.details]).toEqual([rawMessage, rawMessage]);
});
