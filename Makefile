# The commands that users of the Conductor's REST surface know; everything else is in package.json.
.PHONY: maestro-api maestro-test

PORT ?= 8001
# Of release governance: whatever test has one of these words in its path; those that kill servers want a machine of their own.
CONDUCTOR = conductor release evidence gates packs workflows governance runs run-artifacts named-artifact dsse

# For this machine only: other addresses want authentication, see `npm run maestro -- serve --help`.
maestro-api: node_modules
	@npm start --silent -- --port $(PORT)

maestro-test: node_modules
	@npx vitest run --exclude 'test/fault/**' $(CONDUCTOR)

node_modules:
	npm ci
