// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_errors.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace cofounder {
namespace {

Error advised(Error error, std::string hint) {
  error.hint = std::move(hint);
  return error;
}

struct Advice {
  std::string_view sign;  // libpq keeps the code of a refused connection only in its text
  bool is_final;
  std::string_view hint;
};

constexpr std::array<Advice, 10> advices = {{
    {"password authentication failed", true,
     "Check user in [store] dsn and [store] password_credential: the server does not take this "
     "password."},
    {"no password supplied", true,
     "Set [store] password_credential, or name a passfile in [store] dsn."},
    {"authentication failed", true,
     "Check user in [store] dsn, and pg_hba.conf and pg_ident.conf of the server."},
    {"pg_hba.conf", true, "Let the server's pg_hba.conf admit this user from this address."},
    {"role \"", true, "Make the role (createuser), or check user in [store] dsn."},
    {"database \"", true, "Make the database (createdb), or check dbname in [store] dsn."},
    {"too many clients", false,
     "Raise max_connections of the server, or lower [store] connections_max of the nodes."},
    {"connection slots", false,
     "Raise max_connections of the server, or lower [store] connections_max of the nodes."},
    {"starting up", false, "The server is starting: wait."},
    {"SSL", true, "Check sslmode and the certificates in [store] dsn."},
}};

}  // namespace

Error postgres_connect_error(const PostgresFailure& failure) {
  for (const Advice& advice : advices) {
    if (failure.message.find(advice.sign) == std::string::npos) continue;
    return advised(make_error(advice.is_final ? "store_unusable" : "store_unavailable",
                              "PostgreSQL refuses the connection: " + failure.message,
                              !advice.is_final),
                   std::string{advice.hint});
  }
  return advised(make_error("store_unavailable",
                            "PostgreSQL cannot be reached: " + failure.message, true),
                 "Check that the server runs, and host and port in [store] dsn.");
}

Error postgres_open_error(const PostgresFailure& failure, const std::string& schema) {
  const std::string said = "PostgreSQL refuses the store: " + failure.message;
  if (failure.is_lost()) return postgres_unavailable(failure);
  if (failure.state == "42501") {
    return advised(make_error("store_unusable", said),
                   "Give the role its rights: GRANT CREATE ON DATABASE ... TO ..., or make the "
                   "schema with CREATE SCHEMA " + schema + " AUTHORIZATION ...");
  }
  if (failure.state == "25006") {
    return advised(make_error("store_unusable", said),
                   "The role or the server is read-only: connect to the primary "
                   "(target_session_attrs=read-write), with a role that may write.");
  }
  if (failure.state.starts_with("42")) {
    return advised(make_error("store_unusable", said),
                   "The schema " + schema + " is not as the daemon made it: restore it, or set "
                   "another [store] schema.");
  }
  return make_error("store_unusable", said);
}

Error postgres_unavailable(const PostgresFailure& failure) {
  return advised(
      make_error("store_unavailable", "PostgreSQL cannot be used: " + failure.message, true),
      "Look at the server and the way to it; the store goes on by itself.");
}

Error postgres_refused(const PostgresFailure& failure) {
  return make_error("store_refused",
                    "PostgreSQL refuses this: " + failure.message + " (" + failure.state + ")");
}

Error postgres_in_doubt() {
  return advised(make_error("store_unavailable",
                            "The connection to PostgreSQL broke while this was committed: whether "
                            "it was done is not known.",
                            true),
                 "Look before doing it again, or use a unique_key.");
}

Error postgres_replaced(const std::string& node) {
  return advised(make_error("store_unavailable",
                            "Another daemon entered the store under the name of this node, " +
                                node + ".",
                            true),
                 "Give each daemon a [store] node of its own, and start this one anew.");
}

}  // namespace cofounder
