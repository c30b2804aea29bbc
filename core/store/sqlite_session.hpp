// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/sqlite_engine.hpp"

namespace cofounder {

struct SqliteEngine::Session {
  explicit Session(std::unique_ptr<SqliteConnection> opened)
      : connection{std::move(opened)}, statements{*connection}, side{*connection} {}

  std::unique_ptr<SqliteConnection> connection;
  SqliteStatements statements;
  SqliteSide side;
};

inline std::int64_t to_row(TaskId id) noexcept { return static_cast<std::int64_t>(id); }
inline TaskId to_id(std::int64_t row) noexcept { return static_cast<TaskId>(row); }

}  // namespace cofounder
