// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/store/postgres_value.hpp"

#include <string>

// What people are told about a database that does not do its part, with advice.
namespace cofounder {

// It cannot be connected to.  Code "store_unavailable" when the same may succeed later, else
// "store_unusable".
Error postgres_connect_error(const PostgresFailure& failure);
// It refused something while the store was opened.
Error postgres_open_error(const PostgresFailure& failure, const std::string& schema);
// It does not answer, or cannot write.
Error postgres_unavailable(const PostgresFailure& failure);
// It refused one request, and would again.
Error postgres_refused(const PostgresFailure& failure);
// The connection broke during the commit, and nobody can be asked what came of it.
Error postgres_in_doubt();
// Another daemon entered under the node's name.
Error postgres_replaced(const std::string& node);

}  // namespace cofounder
