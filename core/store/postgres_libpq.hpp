// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <libpq-fe.h>

// libpq, opened when a PostgreSQL store is: it brings Kerberos, LDAP and their TLS with it, memory that
// a daemon with its own SQLite file need not have (docs/decisions/0011-libraries-when-needed.md).  Only
// postgres*.cpp include this.
namespace cofounder {

// The functions of <libpq-fe.h> without "PQ", and documented there.
struct Libpq {
#define COFOUNDER_LIBPQ_FUNCTIONS(X) \
  X(backendPID) X(clear) X(conninfoFree) X(conninfoParse) X(connectPoll)                   \
  X(connectStartParams) X(consumeInput) X(enterPipelineMode) X(errorMessage) X(finish)     \
  X(flush) X(freemem) X(getResult) X(getisnull) X(getlength) X(getvalue) X(isBusy)         \
  X(nfields) X(notifies) X(ntuples) X(parameterStatus) X(pipelineSync)                     \
  X(resultErrorField) X(resultErrorMessage) X(resultStatus) X(sendPrepare)                 \
  X(sendQueryParams) X(sendQueryPrepared) X(setNoticeProcessor) X(setnonblocking)          \
  X(socket) X(status)
#define COFOUNDER_LIBPQ_POINTER(name) decltype(&::PQ##name) name = nullptr;
  COFOUNDER_LIBPQ_FUNCTIONS(COFOUNDER_LIBPQ_POINTER)
#undef COFOUNDER_LIBPQ_POINTER
};

// Opens the library of that name.  Code "store_unusable".  Any thread.
Result<Libpq> open_libpq(const char* name);

// The one that the store uses, opened by the first call, for ever; a failure is for ever, too.  Any thread.
const Result<Libpq>& load_libpq();

// Where load_libpq() has succeeded before.
const Libpq& pq() noexcept;

}  // namespace cofounder
