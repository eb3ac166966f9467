-- What became of an upload that was finished is found by it: whoever did not hear the answer asks again.

-- By content alone, so that no statement by digest can take it.
CREATE INDEX artifacts_by_content ON maestro.artifacts (content_id);
