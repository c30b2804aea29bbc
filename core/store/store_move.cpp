// SPDX-License-Identifier: Apache-2.0
#include "core/store/store_move.hpp"

#include "core/store/file_lock.hpp"
#include "core/store/postgres_address.hpp"
#include "core/store/postgres_dialect.hpp"
#include "core/store/postgres_errors.hpp"
#include "core/store/postgres_link.hpp"
#include "core/store/sqlite_connection.hpp"
#include "core/store/sqlite_schema.hpp"

#include <deque>
#include <filesystem>
#include <optional>
#include <span>
#include <system_error>

namespace cofounder {
namespace {

constexpr int rows_max = 1'000;  // of one statement
constexpr std::size_t bytes_max = 8U << 20U;

// How a column travels: integers as texts, and NULL as a text that is empty.
enum class Kind { integer, text, text_or_null, bytes, bytes_or_null };

struct Column {
  const char* name;
  Kind kind;
};

struct Table {
  const char* name;
  std::span<const Column> columns;
  const char* more_names = "";   // columns that SQLite does not have
  const char* more_values = "";  // and what they hold
};

using enum Kind;
// A task that waits: those that are due become so with the first look at the queue.
constexpr Column tasks[] = {
    {"id", integer},         {"priority", integer},         {"run_at", integer},
    {"attempt", integer},    {"uncounted", integer},        {"attempts_max", integer},
    {"timeout", integer},    {"retry_on_timeout", integer}, {"submitted_at", integer},
    {"started_at", integer}, {"op", text},                  {"queue", text},
    {"unique_key", text_or_null}, {"schedule", text_or_null}, {"submitter", text},
    {"error", text_or_null}};
constexpr Column finished[] = {
    {"id", integer},         {"state", integer},            {"priority", integer},
    {"run_at", integer},     {"attempt", integer},          {"attempts_max", integer},
    {"timeout", integer},    {"retry_on_timeout", integer}, {"submitted_at", integer},
    {"started_at", integer}, {"op", text},                  {"queue", text},
    {"unique_key", text_or_null}, {"schedule", text_or_null}, {"submitter", text},
    {"error", text_or_null}, {"ended_at", integer},         {"took", integer},
    {"result", text_or_null}};
constexpr Column payloads[] = {{"id", integer}, {"args", text}, {"checkpoint", bytes_or_null}};
constexpr Column attempts[] = {
    {"task", integer},     {"attempt", integer}, {"node", text},         {"started_at", integer},
    {"ended_at", integer}, {"outcome", integer}, {"error", text_or_null}};
constexpr Column schedules[] = {
    {"name", text},         {"op", text},              {"args", text},
    {"language", text},     {"text", text},            {"timezone", text},
    {"missed", integer},    {"overlap", integer},      {"queue", text},
    {"priority", integer},  {"timeout", integer},      {"attempts_max", integer},
    {"created_at", integer}, {"last_fired", integer},  {"last_task", integer}};
constexpr Column kv[] = {{"space", text},
                         {"key", bytes},
                         {"version", integer},
                         {"expires", integer},
                         {"value", bytes}};
constexpr Column task_costs[] = {
    {"at", integer},            {"plugin", text},           {"provider", text},
    {"model", text},            {"operation", text},        {"task", integer},
    {"succeeded", integer},     {"input_tokens", integer},  {"output_tokens", integer},
    {"cached_tokens", integer}, {"cost_micros", integer},   {"took", integer}};

constexpr Table tables[] = {
    {"tasks", tasks, ", state, plugin", ", 0, split_part(op, '.', 1)"},
    {"finished", finished},
    {"payloads", payloads},
    {"attempts", attempts},
    {"schedules", schedules},
    {"kv", kv},
    {"task_costs", task_costs},
};

// What follows from the rows.
constexpr const char* derived[] = {
    "INSERT INTO %finished_counts SELECT op, state, count(*), sum(took) FROM %finished"
    " GROUP BY op, state",
    "INSERT INTO %kv_spaces SELECT space, sum(octet_length(key) + octet_length(value)) FROM %kv"
    " GROUP BY space",
    "SELECT setval('%kv_versions', (SELECT coalesce(max(version), 0) + 1 FROM %kv))",
    "DELETE FROM %nodes WHERE name = 'store-move'",
};

std::string in_schema(const std::string& schema, std::string_view sql) {
  std::string out;
  for (const char c : sql) {
    if (c == '%') {
      out += PostgresDialect::quoted(schema) + ".";
    } else {
      out += c;
    }
  }
  return out;
}

std::string insert_into(const std::string& schema, const Table& table) {
  std::string names, given, values, from;
  int number = 0;
  for (const Column& column : table.columns) {
    const std::string comma = ++number == 1 ? "" : ", ";
    const std::string name = PostgresDialect::quoted(column.name);
    const bool is_bytes = column.kind == bytes || column.kind == bytes_or_null;
    names += comma + name;
    given += comma + name;
    from += comma + "$" + std::to_string(number) + (is_bytes ? "::bytea[]" : "::text[]");
    const std::string_view plain{column.name};
    const bool is_flag = plain == "retry_on_timeout" || plain == "succeeded";
    values += comma + (is_flag                       ? name + "::bigint <> 0"
                       : column.kind == integer       ? name + "::bigint"
                       : column.kind == text          ? "coalesce(" + name + ", '')"
                       : column.kind == bytes_or_null ? "nullif(" + name + ", ''::bytea)"
                                                      : name);
  }
  return in_schema(schema, std::string{"INSERT INTO %"} + table.name + " (" + names +
                               table.more_names + ") SELECT " + values + table.more_values +
                               " FROM unnest(" + from + ") AS g(" + given + ")");
}

std::string select_from(const Table& table) {
  std::string sql = "SELECT ";
  for (const Column& column : table.columns) {
    sql += std::string{&column == table.columns.data() ? "" : ", "} + "\"" + column.name + "\"";
  }
  return sql + " FROM " + table.name + " ORDER BY 1";
}

Error unusable(std::string message, std::string hint) {
  Error error = make_error("store_unusable", std::move(message));
  error.hint = std::move(hint);
  return error;
}

}  // namespace

struct StoreMove::State {
  State(Loop& loop_, SqliteOptions from_, PostgresOptions to_)
      : loop{loop_}, from{std::move(from_)}, to{std::move(to_)}, dialect{to.schema} {
    to.node = "store-move";
  }
  ~State() { unlock_file(lock); }

  // The rows of one table on their way.
  struct Source {
    explicit Source(SqliteConnection& connection, const Table& of)
        : table{of}, statement{connection, select_from(of)}, rows{statement.query()} {}
    // After the last row SQLite would begin anew.
    bool next() { return has_more = has_more && rows.next(); }
    const Table& table;
    SqliteStatement statement;
    SqliteStatement::Rows rows;
    bool has_more = true;
    std::int64_t count = 0;
  };

  Loop& loop;
  SqliteOptions from;
  PostgresOptions to;
  PostgresDialect dialect;
  Done done;
  int lock = -1;
  std::unique_ptr<SqliteConnection> file;
  std::optional<Stores> stores;  // for the making of the schema
  std::optional<PostgresLink> link;
  std::deque<std::string> texts;  // of the trip that is being made
  std::size_t at = 0;
  std::unique_ptr<Source> source;
  Moved moved;
  bool is_committing = false;

  void end(Result<Moved> result) {
    if (!done) return;
    loop.post([this, result = std::move(result)]() mutable {
      source.reset();
      file.reset();
      if (link) link->stop();
      std::exchange(done, nullptr)(std::move(result));
    });
  }

  std::optional<Error> open_file() {
    if (!std::filesystem::exists(from.file)) {
      return unusable("There is no store at " + from.file.string() + ".",
                      "Check [store] path and [paths] state.");
    }
    const auto locked = lock_file(from.file);
    if (!locked) return locked.error();
    lock = *locked;
    try {
      auto opened = open_sqlite_file(from);
      if (!opened) return opened.error();
      file = std::move(*opened);
      if (file->integer("SELECT count(*) FROM tasks WHERE state = 2") > 0) {
        return unusable("The store holds attempts that a crash interrupted.",
                        "Start cofounderd with it once more, and stop it in order.");
      }
    } catch (const SqliteError& error) {
      return open_error(from, error);
    }
    return std::nullopt;
  }

  std::optional<Error> check_dsn() const {
    const auto settings = read_postgres_dsn(to.dsn, "", "cofounderd");
    if (!settings) return settings.error();
    for (const auto& [name, value] : *settings) {
      if (name != "password") continue;
      return unusable("A password does not belong on a command line.",
                      "Name a file in the connection string, passfile=PATH, or set "
                      "[store] password_credential.");
    }
    return std::nullopt;
  }

  void start() {
    if (const auto error = check_dsn()) return end(*error);
    if (const auto error = open_file()) return end(*error);
    stores.emplace(make_postgres_store(loop, loop.clock(), to));
    TaskStore::Listener listener;
    listener.on_claimed = [](const std::vector<ClaimedTask>&) {};
    listener.on_next_due = [](Time) {};
    listener.on_availability = [](bool, const Error&) {};
    stores->tasks.open(std::move(listener), [this](Result<TaskStore::Opened> opened) {
      if (!opened) return end(opened.error());
      stores->tasks.close([this] { connect(); });
    });
  }

  void connect() {
    link.emplace(loop, to, "cofounderd store-move");
    link->on_down = [this](const Error& why) {
      Error error = why;
      if (is_committing) error = postgres_in_doubt();
      end(error);
    };
    link->on_up = [this] { begin(); };
    link->start();
  }

  void add(PostgresTrip& trip, std::string sql) {
    texts.push_back(std::move(sql));
    trip.add_once(texts.back());
  }

  // Goes on with `next` when all of it succeeded.
  void send(PostgresTrip trip, UniqueFunction<void(std::vector<PostgresRows>)> next) {
    link->connection()->run(std::move(trip),
                            [this, next = std::move(next)](PostgresAnswer answer) mutable {
                              if (!answer.failure) return next(std::move(answer.rows));
                              if (answer.failure->is_lost()) return;  // on_down tells
                              end(postgres_refused(*answer.failure));
                            });
    texts.clear();
  }

  void begin() {
    PostgresTrip trip;
    trip.add(dialect.begin);
    trip.add(dialect.lock_schema, PostgresParams{}.add(to.schema));
    std::string all;
    for (const Table& table : tables) {
      all += (all.empty() ? "SELECT " : " OR ") + in_schema(to.schema, "EXISTS (SELECT 1 FROM %") +
             table.name + ")";
    }
    add(trip, std::move(all));
    send(std::move(trip), [this](const std::vector<PostgresRows>& rows) {
      if (rows[2].boolean(0, 0)) {
        return end(unusable("The schema " + to.schema + " holds something already.",
                            "Move into an empty one: set [store] schema, or drop this one."));
      }
      next_table();
    });
  }

  void next_table() try {
    if (at == std::size(tables)) return finish();
    source = std::make_unique<Source>(*file, tables[at]);
    next_rows();
  } catch (const SqliteError& error) {
    end(open_error(from, error));
  }

  void next_rows() try {
    const std::span<const Column> columns = source->table.columns;
    std::vector<std::vector<std::string>> values(columns.size());
    std::size_t size = 0;
    int count = 0;
    for (; count < rows_max && size < bytes_max && source->next(); ++count) {
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const int column = static_cast<int>(i);
        values[i].push_back(source->rows.string(column));
        size += values[i].back().size();
      }
    }
    if (count == 0) {
      moved.emplace_back(source->table.name, source->count);
      source.reset();
      ++at;
      return next_table();
    }
    source->count += count;
    PostgresTrip trip;
    PostgresParams params;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].kind == bytes || columns[i].kind == bytes_or_null) {
        params.add_bytes(values[i]);
      } else {
        params.add_texts_or_null(values[i]);
      }
    }
    add(trip, insert_into(to.schema, source->table));
    trip.statements.back().params = std::move(params);
    send(std::move(trip), [this](const std::vector<PostgresRows>&) { next_rows(); });
  } catch (const SqliteError& error) {
    end(open_error(from, error));
  }

  // What is there is counted, not what was sent.
  void finish() {
    PostgresTrip trip;
    for (const char* sql : derived) add(trip, in_schema(to.schema, sql));
    const std::size_t first = trip.size();
    for (const Table& table : tables) {
      add(trip, in_schema(to.schema, std::string{"SELECT count(*) FROM %"} + table.name));
    }
    send(std::move(trip), [this, first](const std::vector<PostgresRows>& rows) {
      for (std::size_t i = 0; i < moved.size(); ++i) {
        if (rows[first + i].integer(0, 0) == moved[i].second) continue;
        return end(make_error("store_unusable", "Not all rows of " + moved[i].first +
                                                    " arrived; nothing was moved."));
      }
      commit();
    });
  }

  void commit() {
    is_committing = true;
    PostgresTrip trip;
    trip.add(dialect.commit);
    send(std::move(trip), [this](const std::vector<PostgresRows>&) {
      is_committing = false;
      file.reset();  // the last connection takes the write-ahead log along
      std::error_code error;
      std::filesystem::rename(from.file, from.file.string() + ".moved", error);
      if (error) {
        return end(unusable("All was moved, but " + from.file.string() +
                                " could not be renamed: " + error.message() + ".",
                            "Move it away yourself, so that no daemon runs its tasks again."));
      }
      end(std::move(moved));
    });
  }
};

StoreMove::StoreMove(Loop& loop, SqliteOptions from, PostgresOptions to)
    : state_{std::make_unique<State>(loop, std::move(from), std::move(to))} {}
StoreMove::~StoreMove() = default;

void StoreMove::run(Done done) {
  state_->done = std::move(done);
  state_->loop.post([state = state_.get()] { state->start(); });
}

}  // namespace cofounder
