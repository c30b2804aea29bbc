-- SPDX-License-Identifier: Apache-2.0
-- Makes a store of schema 2 one as a daemon with schema 1 left it.
BEGIN IMMEDIATE;
DROP INDEX task_costs_at;
ALTER TABLE task_costs RENAME TO usage;
CREATE INDEX usage_at ON usage (at);
PRAGMA user_version = 1;
COMMIT;
