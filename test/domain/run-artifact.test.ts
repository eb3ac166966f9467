// Addresses of artifacts: credentials in them are not told to all who read the artifact. Not here: kept content.
import { expect, test } from "vitest";
import type { OrgId, PlanId } from "../../src/domain/id.ts";
import { runArtifactsOf } from "../../src/domain/named-artifact.ts";
import { judgeAddress, withoutCredentials } from "../../src/domain/run-artifact.ts";
import { anAttempt } from "../support/plan.ts";

test.each([
  ["http://user:pw@host/a", "http://host/a"],
  ["HTTPS://token@host:8443/a?b=c@d#e", "HTTPS://host:8443/a?b=c@d#e"],
  ["https://a@b@host/", "https://host/"],
  ["https:\\\\user:pw@host", "https:\\\\host"],
  ["https:user:pw@host/x", "https:host/x"],
  ["git+ssh://git:secret@host/r.git", "git+ssh://host/r.git"],
])("%s has credentials, and is refused", (uri, without) => {
  expect(withoutCredentials(uri)).toBe(without);
  expect(judgeAddress(uri)).toMatchObject({
    ok: false,
    refusal: { reason: "INVALID_REQUEST", violations: [{ field: "path_or_uri" }] },
  });
  expect(JSON.stringify(judgeAddress(uri))).not.toContain("pw");
});

test.each([
  ["https://host/a@b"],
  ["https://host?q=a:b@c"],
  ["git+ssh://git@host/r.git"],
  ["s3://bucket/key@2"],
  ["pkg:npm/%40scope/name@1.0.0"],
  ["npm:name@1.0.0"],
  ["docker.io/library/node:24@sha256:abc"],
  ["max://artifact/sha256:abc"],
  ["dist/app@1.tgz"],
])("%s has none", (uri) => {
  expect(withoutCredentials(uri)).toBe(uri);
  expect(judgeAddress(uri)).toEqual({ ok: true, value: null });
});

test("what an outcome names loses them: the work is done, and the address is told", () => {
  const plan = { orgId: "org" as OrgId, planId: "plan" as PlanId };
  const named = { name: "x", uri: "https://u:p@host/x", digest: "", sizeBytes: 0, contentType: "" };
  const attempt = anAttempt(plan.planId, 3, 7, { artifacts: [named], endedMs: 9 });
  expect(runArtifactsOf(plan, "build", attempt, "worker", () => "id")[0]?.uri).toBe("https://host/x");
});
