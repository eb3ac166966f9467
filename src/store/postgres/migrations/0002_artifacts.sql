-- Content too large to travel inline: in chunks of at most 1 MiB, by digest within an org.

-- What the artifacts of an org take. Whoever changes it holds its row; so it is also what begins, ends and deletions line up for.
CREATE TABLE maestro.artifact_accounts (
  org_id uuid PRIMARY KEY REFERENCES maestro.orgs,
  kept_bytes bigint NOT NULL CHECK (kept_bytes >= 0),
  promised_bytes bigint NOT NULL CHECK (promised_bytes >= 0)
) WITH (fillfactor = 50);

CREATE TABLE maestro.artifacts (
  org_id uuid NOT NULL,
  digest text COLLATE "C" NOT NULL CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
  size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
  content_type text NOT NULL,
  name text NOT NULL,
  created_ms bigint NOT NULL,
  created_by text COLLATE "C" NOT NULL,
  content_id uuid NOT NULL,
  chunk_bytes integer NOT NULL CHECK (chunk_bytes BETWEEN 65536 AND 1048576),
  PRIMARY KEY (org_id, digest)
);
-- Partial, so that no statement by digest can take it, see goals_by_time. Lists name the predicate.
CREATE INDEX artifacts_by_time ON maestro.artifacts (org_id, created_ms, digest) WHERE created_ms >= 0;

CREATE TABLE maestro.artifact_uploads (
  org_id uuid NOT NULL,
  upload_id uuid NOT NULL,
  principal text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL CHECK (digest ~ '^sha256:[0-9a-f]{64}$'),
  size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
  chunk_bytes integer NOT NULL CHECK (chunk_bytes BETWEEN 65536 AND 1048576),
  content_type text NOT NULL,
  name text NOT NULL,
  created_ms bigint NOT NULL,
  expires_ms bigint NOT NULL,
  PRIMARY KEY (org_id, upload_id),
  -- Bytes that one principal sent are never taken for another's: nobody can spoil an upload but its own principal.
  UNIQUE (org_id, principal, digest)
) WITH (fillfactor = 50);
CREATE INDEX artifact_uploads_expiry ON maestro.artifact_uploads (expires_ms);

-- Written once. Named by the upload that brought them, so that finishing it copies nothing.
CREATE TABLE maestro.artifact_chunks (
  org_id uuid NOT NULL,
  content_id uuid NOT NULL,
  place integer NOT NULL CHECK (place >= 0),
  data bytea NOT NULL CHECK (octet_length(data) BETWEEN 1 AND 1048576),
  PRIMARY KEY (org_id, content_id, place)
);
-- Out of line and as it is: most content is compressed already, and pieces of it can be read without the rest.
ALTER TABLE maestro.artifact_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

-- Plans that use an artifact; it is kept until they have ended.
CREATE TABLE maestro.artifact_uses (
  org_id uuid NOT NULL,
  digest text COLLATE "C" NOT NULL,
  plan_id uuid NOT NULL,
  PRIMARY KEY (org_id, digest, plan_id)
);

-- Content that nobody refers to any more; its chunks are deleted some at a time.
CREATE TABLE maestro.artifact_waste (
  org_id uuid NOT NULL,
  content_id uuid NOT NULL,
  since_ms bigint NOT NULL,
  PRIMARY KEY (org_id, content_id)
);
CREATE INDEX artifact_waste_by_age ON maestro.artifact_waste (since_ms);

DO $$
DECLARE
  t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['artifact_accounts', 'artifacts', 'artifact_uploads', 'artifact_chunks', 'artifact_uses', 'artifact_waste'] LOOP
    PERFORM maestro.guard(('maestro.' || t)::regclass);
  END LOOP;
  -- What sweeps look for in all orgs.
  FOREACH t IN ARRAY ARRAY['artifact_uploads', 'artifact_waste'] LOOP
    PERFORM maestro.guard_platform(('maestro.' || t)::regclass);
  END LOOP;
END $$;
