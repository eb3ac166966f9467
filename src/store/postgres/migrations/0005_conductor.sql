-- Release governance: runs, what they made, what is told of them, and who waived what. What every column means stands in ../schema/.

-- One row for each committed plan (run_id is plan_id, is_plan), from its commit on, and one for each run of work done elsewhere.
-- What follows the plan (status, end, actual cost) is read from the plan: nothing here is written when a plan moves.
CREATE TABLE maestro.runs (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  run_id uuid NOT NULL,
  is_plan boolean NOT NULL,
  name text NOT NULL,
  owner text COLLATE "C" NOT NULL,
  -- Whoever owned it before, as JSON: none of them waives anything of it.
  past_owners text NOT NULL DEFAULT '[]',
  status text COLLATE "C" CHECK (status IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
  started_ms bigint NOT NULL,
  finished_ms bigint,
  cost_estimate double precision CHECK (cost_estimate BETWEEN 0 AND 1e12),
  cost_actual double precision CHECK (cost_actual BETWEEN 0 AND 1e12),
  related_entity_ids text NOT NULL,
  related_decision_ids text NOT NULL,
  metadata text NOT NULL,
  workflow_id uuid,
  tasks text,
  charter text COLLATE "C",
  created_ms bigint NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  PRIMARY KEY (org_id, run_id),
  CHECK ((status IS NULL) = is_plan),
  CHECK (NOT is_plan OR (finished_ms IS NULL AND cost_actual IS NULL))
) WITH (fillfactor = 80);
-- Partial for the same reason as those of the goals, and each by a predicate of its own, which a list names: once one owner has nearly
-- all runs, or nearly all plans are done, a list would otherwise walk along all of them and look for its own.
CREATE INDEX runs_by_time ON maestro.runs (org_id, created_ms, run_id) WHERE created_ms >= 0;
CREATE INDEX runs_by_owner ON maestro.runs (org_id, owner, created_ms, run_id) WHERE owner >= '';
CREATE INDEX runs_by_status ON maestro.runs (org_id, status, created_ms, run_id) WHERE status IS NOT NULL;
-- Runs of plans by status: a plan changes its state some three times in its life, so few of its updates touch this.
CREATE INDEX plans_by_state ON maestro.plans (org_id, state, created_ms, plan_id) WHERE state <> '';

CREATE TABLE maestro.run_artifacts (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  artifact_id uuid NOT NULL,
  run_id uuid NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('SBOM', 'SLSA_PROVENANCE', 'RISK_ASSESSMENT', 'SPECIFICATION', 'BUILD_LOG',
    'TEST_REPORT', 'OTHER')),
  uri text NOT NULL,
  content_hash text NOT NULL,
  sbom_present boolean NOT NULL,
  slsa_provenance_present boolean NOT NULL,
  risk_assessment_present boolean NOT NULL,
  additional text NOT NULL,
  created_ms bigint NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  -- The attempt whose outcome named it.
  step text COLLATE "C",
  ordinal integer,
  fencing bigint,
  PRIMARY KEY (org_id, artifact_id),
  CHECK ((step IS NULL) = (ordinal IS NULL) AND (step IS NULL) = (fencing IS NULL))
);
CREATE INDEX run_artifacts_by_run ON maestro.run_artifacts (org_id, run_id, created_ms, artifact_id)
  WHERE run_id >= '00000000-0000-0000-0000-000000000000';
CREATE INDEX run_artifacts_by_kind ON maestro.run_artifacts (org_id, kind, created_ms, artifact_id) WHERE kind >= '';
CREATE INDEX run_artifacts_by_time ON maestro.run_artifacts (org_id, created_ms, artifact_id) WHERE created_ms >= 0;

CREATE TABLE maestro.disclosure_packs (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  pack_id uuid NOT NULL,
  run_id uuid NOT NULL,
  summary text NOT NULL,
  artifact_ids text NOT NULL,
  redactions text NOT NULL,
  digest text COLLATE "C" NOT NULL,
  created_ms bigint NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  PRIMARY KEY (org_id, pack_id),
  UNIQUE (org_id, run_id, digest)
);
CREATE INDEX disclosure_packs_by_run ON maestro.disclosure_packs (org_id, run_id, created_ms, pack_id)
  WHERE run_id >= '00000000-0000-0000-0000-000000000000';
CREATE INDEX disclosure_packs_by_time ON maestro.disclosure_packs (org_id, created_ms, pack_id) WHERE created_ms >= 0;

CREATE TABLE maestro.workflows (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  workflow_id uuid NOT NULL,
  name text NOT NULL,
  tasks text NOT NULL,
  dependencies text NOT NULL,
  created_ms bigint NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  PRIMARY KEY (org_id, workflow_id)
);
CREATE INDEX workflows_by_time ON maestro.workflows (org_id, created_ms, workflow_id) WHERE created_ms >= 0;

CREATE TABLE maestro.waivers (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  waiver_id uuid NOT NULL,
  run_id uuid NOT NULL,
  rule text COLLATE "C" NOT NULL,
  artifact_id uuid,
  reason text NOT NULL,
  granted_by text COLLATE "C" NOT NULL,
  granted_ms bigint NOT NULL,
  expires_ms bigint NOT NULL,
  revoked_ms bigint,
  revoked_by text COLLATE "C",
  -- What was signed; it, not the columns, is what counts.
  envelope text NOT NULL,
  PRIMARY KEY (org_id, waiver_id),
  CHECK (expires_ms > granted_ms),
  CHECK ((revoked_ms IS NULL) = (revoked_by IS NULL))
);
CREATE INDEX waivers_by_run ON maestro.waivers (org_id, run_id, granted_ms, waiver_id)
  WHERE run_id >= '00000000-0000-0000-0000-000000000000';
-- Those that stand: neither what was taken back nor what expired is walked along.
CREATE INDEX waivers_standing ON maestro.waivers (org_id, run_id, expires_ms) WHERE revoked_ms IS NULL;
CREATE INDEX waivers_by_time ON maestro.waivers (org_id, granted_ms, waiver_id) WHERE granted_ms >= 0;

CREATE TABLE maestro.signing_keys (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  key_id text COLLATE "C" NOT NULL CHECK (key_id ~ '^sha256:[0-9a-f]{64}$'),
  public_pem text NOT NULL,
  private_pem text NOT NULL,
  created_ms bigint NOT NULL,
  PRIMARY KEY (org_id, key_id)
);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['runs', 'run_artifacts', 'disclosure_packs', 'workflows', 'waivers', 'signing_keys'] LOOP
    PERFORM maestro.guard(('maestro.' || t)::regclass);
  END LOOP;
END $$;

-- Plans that were committed before have their runs, too.
SELECT set_config('maestro.platform', 'on', true);
SELECT set_config('maestro.orgs', coalesce((SELECT array_agg(org_id)::text FROM maestro.orgs), ''), true);
INSERT INTO maestro.runs (org_id, run_id, is_plan, name, owner, started_ms, related_entity_ids, related_decision_ids, metadata, created_ms, created_by)
  SELECT p.org_id, p.plan_id, true, g.name, g.created_by, coalesce(p.committed_ms, p.created_ms), '[]', '[]', '{}', p.created_ms, g.created_by
  FROM maestro.plans p JOIN maestro.goals g ON g.org_id = p.org_id AND g.plan_id = p.plan_id
  WHERE p.committed_ms IS NOT NULL OR p.state = 'AWAITING_RATIFICATION';

-- And what their outcomes named are artifacts of these. Kinds as domain/named-artifact.ts has them.
INSERT INTO maestro.run_artifacts (org_id, artifact_id, run_id, kind, uri, content_hash, sbom_present, slsa_provenance_present, risk_assessment_present,
    additional, created_ms, created_by, step, ordinal, fencing)
  SELECT n.org_id, gen_random_uuid(), n.plan_id, k.kind, n.uri,
    CASE WHEN n.digest ~ '^[A-Za-z0-9][A-Za-z0-9._+-]*:.' THEN n.digest ELSE coalesce(substring(n.uri FROM '^max://artifact/(sha256:[0-9a-f]{64})$'), '') END,
    k.kind = 'SBOM', k.kind = 'SLSA_PROVENANCE', k.kind = 'RISK_ASSESSMENT',
    json_strip_nulls(json_build_object('name', n.name, 'content_type', nullif(n.type, ''), 'size_bytes', nullif(n.size, 0),
      'digest', CASE WHEN n.digest !~ '^[A-Za-z0-9][A-Za-z0-9._+-]*:.' THEN nullif(n.digest, '') END))::text,
    n.ended_ms, coalesce((SELECT e.name FROM maestro.executors e WHERE e.org_id = n.org_id AND e.executor_id = n.executor_id), ''), n.key, n.ordinal, n.fencing
  FROM (
    SELECT a.org_id, a.plan_id, a.ordinal, a.fencing, a.executor_id, a.ended_ms, s.key, it ->> 'name' AS name, it ->> 'uri' AS uri, it ->> 'digest' AS digest,
      it ->> 'contentType' AS type, (it ->> 'sizeBytes')::bigint AS size, lower(regexp_replace(it ->> 'name', '^.*/', '')) AS file,
      trim(split_part(lower(it ->> 'contentType'), ';', 1)) AS media
    FROM maestro.attempts a
    JOIN maestro.steps s ON s.org_id = a.org_id AND s.plan_id = a.plan_id AND s.ordinal = a.ordinal
    CROSS JOIN LATERAL json_array_elements(a.artifacts::json) AS it
    WHERE a.state = 'SUCCEEDED' AND NOT a.undoing AND a.artifacts IS NOT NULL) n
  CROSS JOIN LATERAL (SELECT CASE
    WHEN n.media IN ('application/vnd.cyclonedx+json', 'application/vnd.cyclonedx+xml', 'application/spdx+json', 'text/spdx') THEN 'SBOM'
    WHEN n.media = 'application/vnd.in-toto+json' THEN 'SLSA_PROVENANCE'
    WHEN n.file ~ '^sbom|^bom\.(json|xml)$|\.(cdx\.(json|xml)|spdx(\.json)?)$' THEN 'SBOM'
    WHEN n.file ~ '\.intoto\.jsonl?$|provenance' THEN 'SLSA_PROVENANCE'
    WHEN n.file ~ '^risk[_-]assessment' THEN 'RISK_ASSESSMENT'
    WHEN n.file ~ '^test[_-]report|^junit' THEN 'TEST_REPORT'
    WHEN n.file ~ '^build[_-]log|\.log$' THEN 'BUILD_LOG'
    ELSE 'OTHER' END AS kind) k;
