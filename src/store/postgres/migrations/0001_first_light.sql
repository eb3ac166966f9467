-- The first schema. What every column means stands in ../schema/*.ts; why keys, indexes and policies have their form stands
-- beside them here. Times are epoch milliseconds, order keys epoch microseconds, money micros.

CREATE FUNCTION maestro.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
  AS $$ SELECT clock_timestamp() $$;
CREATE FUNCTION maestro.clock_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
  AS $$ SELECT (extract(epoch FROM maestro.clock()) * 1000)::bigint $$;

-- Small tables ------------------------------------------------------------------------------------------------

CREATE TABLE maestro.installation (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  installation_id uuid NOT NULL,
  store_epoch integer NOT NULL CHECK (store_epoch BETWEEN 1 AND 8000),
  created_ms bigint NOT NULL
);

CREATE TABLE maestro.server_sessions (
  session_id uuid PRIMARY KEY,
  address text COLLATE "C" NOT NULL,
  build text COLLATE "C" NOT NULL,
  started_ms bigint NOT NULL,
  expires_ms bigint NOT NULL,
  ended_ms bigint
) WITH (fillfactor = 50);

CREATE TABLE maestro.orgs (
  org_id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL UNIQUE,
  created_ms bigint NOT NULL
);

CREATE TABLE maestro.api_keys (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  key_id uuid NOT NULL,
  principal text COLLATE "C" NOT NULL,
  secret_digest bytea NOT NULL UNIQUE,
  grants text[] COLLATE "C" NOT NULL,
  created_ms bigint NOT NULL,
  expires_ms bigint,
  revoked_ms bigint,
  PRIMARY KEY (org_id, key_id)
);

CREATE TABLE maestro.charters (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  charter_id uuid NOT NULL,
  revision integer NOT NULL CHECK (revision > 0),
  name text COLLATE "C" NOT NULL,
  terms text NOT NULL,
  digest text COLLATE "C" NOT NULL,
  declared_ms bigint NOT NULL,
  declared_by text COLLATE "C" NOT NULL,
  newest boolean NOT NULL,
  PRIMARY KEY (org_id, charter_id, revision),
  UNIQUE (org_id, name, revision)
);
CREATE UNIQUE INDEX charters_newest ON maestro.charters (org_id, name) WHERE newest;

CREATE TABLE maestro.executors (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  executor_id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  capabilities text[] COLLATE "C" NOT NULL,
  labels jsonb NOT NULL,
  slots integer NOT NULL CHECK (slots BETWEEN 1 AND 4096),
  build_id text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('ACTIVE', 'DRAINING')),
  trust double precision NOT NULL CHECK (trust BETWEEN 0 AND 1),
  session_id uuid,
  registered_ms bigint NOT NULL,
  last_seen_ms bigint NOT NULL,
  PRIMARY KEY (org_id, executor_id),
  UNIQUE (org_id, name)
);

-- A demand class is what a step asks of an executor; windows, matching and fairness go by it.
CREATE TABLE maestro.demands (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  demand_id uuid NOT NULL,
  capability text COLLATE "C" NOT NULL,
  labels jsonb NOT NULL,
  min_trust double precision NOT NULL,
  PRIMARY KEY (org_id, demand_id)
);

CREATE TABLE maestro.idempotency_keys (
  org_id uuid NOT NULL,
  principal text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  operation text COLLATE "C" NOT NULL,
  body_digest bytea NOT NULL,
  answer bytea,
  refusal text,
  created_ms bigint NOT NULL,
  expires_ms bigint NOT NULL,
  PRIMARY KEY (org_id, principal, key)
);
CREATE INDEX idempotency_keys_expiry ON maestro.idempotency_keys (expires_ms);

-- Records that belong to no plan; one gapless sequence per org and server session.
CREATE TABLE maestro.journal (
  org_id uuid NOT NULL,
  session_id uuid NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  record_id uuid NOT NULL,
  kind text COLLATE "C" NOT NULL,
  at_ms bigint NOT NULL,
  header text NOT NULL,
  body text NOT NULL,
  payload_commitment bytea,
  header_salt bytea NOT NULL,
  body_salt bytea NOT NULL,
  leaf bytea NOT NULL,
  PRIMARY KEY (org_id, session_id, seq)
);

-- Plans and what hangs under them; every key starts (org_id, plan_id). A goal and its plan share one UUID. -------

CREATE TABLE maestro.goals (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  plan_id uuid NOT NULL,
  charter_id uuid NOT NULL,
  charter_revision integer NOT NULL,
  name text COLLATE "C" NOT NULL,
  intent text NOT NULL,
  inputs text,
  constraints text NOT NULL,
  labels jsonb NOT NULL,
  attributes jsonb NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('DRAFT', 'REFINED', 'ACTIVE', 'ACHIEVED', 'FAILED', 'CANCELLED')),
  created_ms bigint NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  finished_ms bigint,
  PRIMARY KEY (org_id, plan_id)
) WITH (fillfactor = 70);
-- Partial, so that no statement by id can take them: until the first ANALYZE the planner holds any index with org_id and plan_id in
-- it for as good as the primary key, and a cached plan then reads all goals of the org for each. Lists name the predicate.
CREATE INDEX goals_by_time ON maestro.goals (org_id, created_ms, plan_id) WHERE created_ms >= 0;
CREATE INDEX goals_by_charter ON maestro.goals (org_id, charter_id, created_ms, plan_id) WHERE created_ms >= 0;
CREATE INDEX goals_by_name ON maestro.goals (org_id, name, plan_id) WHERE created_ms >= 0;
CREATE INDEX goals_by_end ON maestro.goals (org_id, finished_ms, plan_id) WHERE finished_ms IS NOT NULL;

-- What filters by equality of a label or attribute look up; a term is a digest of name and value. A GIN index would not be
-- used: under row-level security only leakproof operators become index conditions, and containment is none (uuid equality is).
CREATE TABLE maestro.goal_terms (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  term uuid NOT NULL,
  PRIMARY KEY (org_id, plan_id, term)
);
CREATE INDEX goal_terms_by_term ON maestro.goal_terms (org_id, term, plan_id);

CREATE TABLE maestro.plans (
  org_id uuid NOT NULL REFERENCES maestro.orgs,
  plan_id uuid NOT NULL,
  charter_id uuid NOT NULL,
  charter_revision integer NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('UNCOMMITTED', 'AWAITING_RATIFICATION', 'ACTIVE', 'SUSPENDED',
    'COMPENSATING', 'COMPLETED', 'FAILED', 'CANCELLED')),
  rev bigint NOT NULL,
  record_seq bigint NOT NULL,
  newest_version integer NOT NULL,
  active_version integer NOT NULL,
  pending_version integer NOT NULL,
  next_ordinal integer NOT NULL,
  -- What the plan is about to become once what runs has stopped and what is done is undone.
  ending text COLLATE "C" CHECK (ending IN ('FAILED', 'CANCELLED')),
  compensate boolean NOT NULL,
  reason text NOT NULL,
  currency text COLLATE "C" NOT NULL,
  allotted_tokens bigint, allotted_money bigint, allotted_wall bigint, allotted_energy bigint,
  held_tokens bigint NOT NULL, held_money bigint NOT NULL, held_wall bigint NOT NULL, held_energy bigint NOT NULL,
  spent_tokens bigint NOT NULL, spent_money bigint NOT NULL, spent_wall bigint NOT NULL, spent_energy bigint NOT NULL,
  overrun_tokens bigint NOT NULL, overrun_money bigint NOT NULL, overrun_wall bigint NOT NULL, overrun_energy bigint NOT NULL,
  presumed_tokens bigint NOT NULL, presumed_money bigint NOT NULL, presumed_wall bigint NOT NULL, presumed_energy bigint NOT NULL,
  steps_total integer NOT NULL,
  steps_ended integer NOT NULL,
  steps_succeeded integer NOT NULL,
  steps_failed integer NOT NULL,
  steps_running integer NOT NULL,
  -- Ready steps that the budget keeps from being leased.
  steps_starved integer NOT NULL,
  min_trust double precision NOT NULL,
  traceparent text COLLATE "C" NOT NULL,
  created_ms bigint NOT NULL,
  committed_ms bigint,
  deadline_ms bigint,
  finished_ms bigint,
  PRIMARY KEY (org_id, plan_id),
  CHECK (held_tokens >= 0 AND held_money >= 0 AND held_wall >= 0 AND held_energy >= 0),
  CHECK (spent_tokens >= 0 AND spent_money >= 0 AND spent_wall >= 0 AND spent_energy >= 0),
  CHECK (presumed_tokens >= 0 AND presumed_money >= 0 AND presumed_wall >= 0 AND presumed_energy >= 0),
  CONSTRAINT plans_within_budget CHECK (
    (allotted_tokens IS NULL OR held_tokens + spent_tokens + presumed_tokens <= allotted_tokens) AND
    (allotted_money IS NULL OR held_money + spent_money + presumed_money <= allotted_money) AND
    (allotted_wall IS NULL OR held_wall + spent_wall + presumed_wall <= allotted_wall) AND
    (allotted_energy IS NULL OR held_energy + spent_energy + presumed_energy <= allotted_energy)),
  CHECK (steps_ended BETWEEN 0 AND steps_total),
  CHECK (steps_running >= 0 AND steps_starved >= 0)
) WITH (fillfactor = 50);
-- Open plans: found by sweeps and standing queries. Set at commit, cleared at the end: no hot column is named.
CREATE INDEX plans_open ON maestro.plans (org_id, plan_id) WHERE committed_ms IS NOT NULL AND finished_ms IS NULL;
-- Partial for the same reason as those of the goals.
CREATE INDEX plans_by_time ON maestro.plans (org_id, created_ms, plan_id) WHERE created_ms >= 0;

CREATE TABLE maestro.steps (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  ordinal integer NOT NULL CHECK (ordinal > 0),
  key text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  -- False once a re-plan dropped or replaced the row.
  current boolean NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('PENDING', 'WAITING', 'AWAITING_APPROVAL', 'READY', 'LEASED', 'STOPPING',
    'BACKING_OFF', 'SUCCEEDED', 'FAILED', 'REFUSED', 'SKIPPED', 'CANCELLED', 'COMPENSATING', 'COMPENSATED',
    'COMPENSATION_FAILED')),
  -- The attempt at hand undoes the step instead of doing it.
  undoing boolean NOT NULL,
  held_back boolean NOT NULL,
  waiting_on integer NOT NULL CHECK (waiting_on >= 0),
  order_key bigint,
  demand_id uuid NOT NULL,
  boost_ms integer NOT NULL,
  flags integer NOT NULL,
  timeout_ms bigint NOT NULL,
  hold_tokens bigint NOT NULL, hold_money bigint NOT NULL, hold_wall bigint NOT NULL, hold_energy bigint NOT NULL,
  attempt integer NOT NULL,
  failures integer NOT NULL,
  fencing bigint NOT NULL,
  executor_id uuid,
  session_id uuid,
  lease_until_ms bigint,
  deadline_ms bigint,
  not_before_ms bigint,
  ready_ms bigint,
  started_ms bigint,
  finished_ms bigint,
  PRIMARY KEY (org_id, plan_id, ordinal),
  CHECK ((state IN ('LEASED', 'STOPPING')) = (session_id IS NOT NULL)),
  CHECK (order_key IS NULL OR state = 'READY' OR state = 'COMPENSATING')
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
-- The ready set. No hot column but order_key is named here; naming state, session or deadline costs every HOT update.
CREATE INDEX steps_ready ON maestro.steps (org_id, demand_id, order_key) INCLUDE (plan_id, ordinal) WHERE order_key IS NOT NULL;
-- Partial, so that no statement by ordinal can take it: until the first ANALYZE the planner holds its prefix for as good as the
-- primary key, and a cached plan then reads all steps of the plan for each (5 ms a step of a plan of 20,000). `current` changes only by re-plans.
-- Not unique, though a key has one current row at most: a re-plan writes the new row before the decision that retires the old one,
-- which counts what it finds, and a partial unique index cannot be checked at the end of a transaction.
-- In two parts, so that neither is taken for a look-up by ordinal.
CREATE INDEX steps_by_key ON maestro.steps (org_id, plan_id, key) WHERE current;
CREATE INDEX steps_dropped ON maestro.steps (org_id, plan_id, key) WHERE NOT current;

CREATE TABLE maestro.step_edges (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  from_ordinal integer NOT NULL,
  to_ordinal integer NOT NULL,
  regardless boolean NOT NULL,
  PRIMARY KEY (org_id, plan_id, from_ordinal, to_ordinal)
);
-- No index by to_ordinal: only explanations look edges up by their end (they read the plan's part of the primary key), and until the first ANALYZE the planner took its prefix for the
-- way to the edges *from* a step (24,000 rows read a parent in a plan of 20,000 steps: 408 ms instead of 0.6 ms a batch).

-- Backoffs that end; one row per step at most.
CREATE TABLE maestro.timers (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  ordinal integer NOT NULL,
  due_ms bigint NOT NULL,
  PRIMARY KEY (org_id, plan_id, ordinal)
);
CREATE INDEX timers_due ON maestro.timers (due_ms);

-- Cascades that were too long for one transaction, and sweeps of ending plans; finished in chunks.
CREATE TABLE maestro.cascades (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  -- Ended steps whose edges are still to be followed; empty for a sweep by ordinal.
  frontier integer[] NOT NULL,
  sweep_from integer,
  created_ms bigint NOT NULL,
  PRIMARY KEY (org_id, plan_id)
);
-- Partial for the same reason as those of the goals.
CREATE INDEX cascades_by_age ON maestro.cascades (created_ms, plan_id) WHERE created_ms >= 0;

CREATE TABLE maestro.approvals (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  approval_id uuid NOT NULL,
  subject text COLLATE "C" NOT NULL CHECK (subject IN ('COMMIT', 'STEP', 'FAILURE')),
  ordinal integer,
  step text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  digest text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('PENDING', 'APPROVED', 'REJECTED', 'WITHDRAWN')),
  question text NOT NULL,
  requested_by text COLLATE "C" NOT NULL,
  requested_ms bigint NOT NULL,
  decided_by text COLLATE "C",
  decided_ms bigint,
  comment text NOT NULL,
  -- What the decision needs to carry out a commit, such as whether lateness was accepted.
  context text NOT NULL,
  PRIMARY KEY (org_id, plan_id, approval_id)
);
CREATE INDEX approvals_by_id ON maestro.approvals (org_id, approval_id);
CREATE INDEX approvals_by_time ON maestro.approvals (org_id, requested_ms, approval_id);
CREATE INDEX approvals_pending ON maestro.approvals (org_id, requested_ms, approval_id) WHERE state = 'PENDING';

-- Cold tables, partitioned on plan_id (UUIDv7: creation time). ----------------------------------------------------

CREATE TABLE maestro.graph_versions (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  parent_version integer NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('DRAFT', 'REFINED', 'AWAITING_RATIFICATION', 'ACTIVE', 'SUPERSEDED', 'REJECTED')),
  digest text COLLATE "C" NOT NULL,
  step_count integer NOT NULL,
  edge_count integer NOT NULL,
  analysis text,
  -- New limits that a re-plan asked for; applied when the version becomes active.
  constraints text,
  reason text NOT NULL,
  created_ms bigint NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  PRIMARY KEY (org_id, plan_id, version)
) PARTITION BY RANGE (plan_id);

CREATE TABLE maestro.graph_steps (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  version integer NOT NULL,
  key text COLLATE "C" NOT NULL,
  -- RFC 8785 text of the definition; its SHA-256 is the fingerprint.
  definition text NOT NULL,
  fingerprint text COLLATE "C" NOT NULL,
  level integer NOT NULL,
  expected_ms bigint NOT NULL,
  earliest_ms bigint NOT NULL,
  latest_ms bigint NOT NULL,
  total_slack_ms bigint NOT NULL,
  free_slack_ms bigint NOT NULL,
  critical boolean NOT NULL,
  PRIMARY KEY (org_id, plan_id, version, key)
) PARTITION BY RANGE (plan_id);

CREATE TABLE maestro.graph_edges (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  version integer NOT NULL,
  from_key text COLLATE "C" NOT NULL,
  to_key text COLLATE "C" NOT NULL,
  kind text COLLATE "C" NOT NULL CHECK (kind IN ('EXPLICIT', 'VALUE', 'ARTIFACT')),
  regardless boolean NOT NULL,
  redundant boolean NOT NULL,
  PRIMARY KEY (org_id, plan_id, version, from_key, to_key)
) PARTITION BY RANGE (plan_id);

-- What a step is handed, resolved; written when it becomes READY (or at commit, when nothing is to be resolved).
CREATE TABLE maestro.step_inputs (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  ordinal integer NOT NULL,
  undoing boolean NOT NULL,
  input text,
  -- Digest of what the step really consumed: its input and its upstream outputs.
  effective_digest text COLLATE "C" NOT NULL,
  PRIMARY KEY (org_id, plan_id, ordinal, undoing)
) PARTITION BY RANGE (plan_id);

-- One row per attempt, written when it ends.
CREATE TABLE maestro.attempts (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  ordinal integer NOT NULL,
  fencing bigint NOT NULL,
  attempt integer NOT NULL,
  undoing boolean NOT NULL,
  state text COLLATE "C" NOT NULL CHECK (state IN ('SUCCEEDED', 'FAILED', 'REFUSED', 'STOPPED', 'RETURNED', 'LOST')),
  executor_id uuid NOT NULL,
  leased_ms bigint NOT NULL,
  ended_ms bigint NOT NULL,
  ready_ms bigint NOT NULL,
  outputs text,
  outputs_digest text COLLATE "C",
  body_digest bytea,
  error_class text COLLATE "C",
  message text,
  details text,
  artifacts text,
  log_tail text,
  hold_tokens bigint NOT NULL, hold_money bigint NOT NULL, hold_wall bigint NOT NULL, hold_energy bigint NOT NULL,
  usage_tokens bigint NOT NULL, usage_money bigint NOT NULL, usage_wall bigint NOT NULL, usage_energy bigint NOT NULL,
  -- Digest of a report that came after the lease had ended: evidence, its usage counts.
  late_digest bytea,
  record_id uuid NOT NULL,
  PRIMARY KEY (org_id, plan_id, ordinal, fencing)
) PARTITION BY RANGE (plan_id);

CREATE TABLE maestro.records (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  seq bigint NOT NULL CHECK (seq > 0),
  record_id uuid NOT NULL,
  kind text COLLATE "C" NOT NULL,
  at_ms bigint NOT NULL,
  header text NOT NULL,
  body text NOT NULL,
  payload_commitment bytea,
  header_salt bytea NOT NULL,
  body_salt bytea NOT NULL,
  leaf bytea NOT NULL,
  PRIMARY KEY (org_id, plan_id, seq)
) PARTITION BY RANGE (plan_id);

-- The newest checkpoint of a running attempt, written at most every ten seconds.
CREATE TABLE maestro.checkpoints (
  org_id uuid NOT NULL,
  plan_id uuid NOT NULL,
  ordinal integer NOT NULL,
  fencing bigint NOT NULL,
  checkpoint text NOT NULL,
  at_ms bigint NOT NULL,
  PRIMARY KEY (org_id, plan_id, ordinal)
);

-- Row-level security ------------------------------------------------------------------------------------------
-- A setting reverts to '' after the first transaction that set it, hence nullif. The form was measured: a plain filter with array_position costs 2 µs a step; the obvious forms cost up to 1 ms.

CREATE FUNCTION maestro.guard(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('CREATE POLICY org ON %s USING (array_position((SELECT nullif(current_setting(''maestro.orgs'', true), '''')::uuid[])::uuid[], org_id) IS NOT NULL)', tbl);
END $$;

-- Small tables that the platform itself must read before, or without, knowing an org.
CREATE FUNCTION maestro.guard_platform(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
  EXECUTE format('CREATE POLICY platform ON %s USING ((SELECT current_setting(''maestro.platform'', true)) = ''on'')', tbl);
END $$;

-- Makes the partitions that hold plans created in the month of at_ms and the following months.
CREATE FUNCTION maestro.ensure_partitions(at_ms bigint, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  parent text;
  month date := date_trunc('month', to_timestamp(at_ms / 1000.0) AT TIME ZONE 'UTC')::date;
  made integer := 0;
  child text;
  low text;
  high text;
  i integer;
BEGIN
  FOR i IN 0..months LOOP
    low := lpad(to_hex((extract(epoch FROM (month + make_interval(months => i))::timestamp AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0');
    high := lpad(to_hex((extract(epoch FROM (month + make_interval(months => i + 1))::timestamp AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0');
    FOREACH parent IN ARRAY ARRAY['graph_versions', 'graph_steps', 'graph_edges', 'step_inputs', 'attempts', 'records'] LOOP
      child := parent || '_' || to_char(month + make_interval(months => i), 'YYYYMM');
      IF to_regclass('maestro.' || child) IS NULL THEN
        EXECUTE format('CREATE TABLE maestro.%I PARTITION OF maestro.%I FOR VALUES FROM (%L) TO (%L)', child, parent,
          substr(low, 1, 8) || '-' || substr(low, 9, 4) || '-0000-0000-000000000000',
          substr(high, 1, 8) || '-' || substr(high, 9, 4) || '-0000-0000-000000000000');
        PERFORM maestro.guard(('maestro.' || child)::regclass);
        made := made + 1;
      END IF;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['charters', 'executors', 'demands', 'idempotency_keys', 'journal', 'goals', 'goal_terms', 'plans', 'steps',
    'step_edges', 'timers', 'cascades', 'approvals', 'graph_versions', 'graph_steps', 'graph_edges', 'step_inputs',
    'attempts', 'records', 'checkpoints', 'api_keys', 'orgs'] LOOP
    PERFORM maestro.guard(('maestro.' || t)::regclass);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['installation', 'server_sessions', 'orgs', 'api_keys', 'timers', 'cascades', 'idempotency_keys'] LOOP
    PERFORM maestro.guard_platform(('maestro.' || t)::regclass);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['graph_versions', 'graph_steps', 'graph_edges', 'step_inputs', 'attempts', 'records'] LOOP
    EXECUTE format('CREATE TABLE maestro.%I PARTITION OF maestro.%I DEFAULT', t || '_other', t);
    PERFORM maestro.guard(('maestro.' || t || '_other')::regclass);
  END LOOP;
  PERFORM maestro.ensure_partitions(maestro.clock_ms(), 3);
END $$;

SELECT set_config('maestro.platform', 'on', true);
INSERT INTO maestro.installation (singleton, installation_id, store_epoch, created_ms)
  VALUES (true, gen_random_uuid(), 1, maestro.clock_ms());
