// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_check.hpp"

#include "core/store/sqlite_schema.hpp"

#include <array>
#include <utility>

namespace cofounder {
namespace {

constexpr std::size_t problems_max = 100;

// Each counts rows that must not be there.
struct Rule {
  const char* count;
  const char* text;
};
constexpr std::array rules{
    Rule{"SELECT count(*) FROM tasks WHERE id NOT IN (SELECT id FROM payloads)",
         "tasks that are not over have no args"},
    Rule{"SELECT count(*) FROM tasks WHERE id IN (SELECT id FROM finished)",
         "tasks are over and not over at once"},
    Rule{"SELECT count(*) FROM tasks WHERE state NOT IN (0, 2)", "tasks have a state that is none"},
    Rule{"SELECT count(*) FROM finished WHERE state NOT BETWEEN 3 AND 6",
         "finished tasks have a state that is no end"},
    Rule{"SELECT count(*) FROM payloads WHERE id NOT IN (SELECT id FROM tasks)"
         " AND id NOT IN (SELECT id FROM finished)",
         "args belong to no task"},
    Rule{"SELECT count(*) FROM attempts WHERE task NOT IN (SELECT id FROM tasks)"
         " AND task NOT IN (SELECT id FROM finished)",
         "attempts belong to no task"},
    Rule{"SELECT count(*) FROM (SELECT op, state, count(*) AS n FROM finished GROUP BY op, state) f"
         " FULL JOIN finished_counts c ON c.op = f.op AND c.state = f.state"
         " WHERE f.n IS NOT c.count",
         "counts of finished tasks are wrong"},
};

std::vector<std::string> check_pages(SqliteConnection& connection) {
  std::vector<std::string> problems;
  SqliteStatement statement{connection,
                            "PRAGMA integrity_check(" + std::to_string(problems_max) + ")"};
  for (auto rows = statement.query(); rows.next();) {
    if (rows.text(0) != "ok") problems.push_back(rows.string(0));
  }
  return problems;
}

}  // namespace

std::vector<std::string> check_sqlite(SqliteConnection& connection) {
  if (connection.integer("PRAGMA application_id") != sqlite_application_id) {
    return {"It is no store of cofounderd."};
  }
  const std::int64_t version = connection.integer("PRAGMA user_version");
  std::vector<std::string> problems = check_pages(connection);
  // Rows of a file whose pages are wrong would only repeat that, or end with an error.
  if (!problems.empty()) return problems;
  if (version != sqlite_schema_version) {
    return {"It has schema version " + std::to_string(version) + ", and this cofounderd knows version " +
            std::to_string(sqlite_schema_version) + ": its pages are whole, its rows were not checked."};
  }
  connection.execute("BEGIN");
  for (const Rule& rule : rules) {
    const std::int64_t count = connection.integer(rule.count);
    if (count > 0) problems.push_back(std::to_string(count) + " " + rule.text + ".");
  }
  connection.execute("COMMIT");
  return problems;
}

}  // namespace cofounder
