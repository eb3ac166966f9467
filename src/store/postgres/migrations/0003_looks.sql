-- What servers ask every second or every few seconds is found by an index of its own.

-- Keys that were revoked of late.
CREATE INDEX api_keys_revoked ON maestro.api_keys (revoked_ms) WHERE revoked_ms IS NOT NULL;
-- Open plans by their deadline. Set at commit, cleared at the end: no hot column is named.
CREATE INDEX plans_by_deadline ON maestro.plans (deadline_ms)
  WHERE committed_ms IS NOT NULL AND finished_ms IS NULL AND deadline_ms IS NOT NULL;
