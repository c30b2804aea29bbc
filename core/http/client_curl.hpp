// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <curl/curl.h>

// libcurl, opened with the first request and not with the daemon: it brings twenty libraries with
// it, 4 MB of memory that a daemon whose plugins send no requests need not have
// (docs/decisions/0011-libraries-when-needed.md).  Only client*.cpp include this.
namespace cofounder::http {

// The functions of <curl/curl.h> without "curl_", and documented there.
struct Curl {
#define COFOUNDER_CURL_FUNCTIONS(X)                                                             \
  X(easy_cleanup) X(easy_getinfo) X(easy_init) X(easy_pause) X(easy_setopt) X(easy_strerror)    \
  X(free) X(global_init)                                                                        \
  X(multi_add_handle) X(multi_assign) X(multi_cleanup) X(multi_info_read) X(multi_init)         \
  X(multi_remove_handle) X(multi_setopt) X(multi_socket_action)                                 \
  X(share_cleanup) X(share_init) X(share_setopt)                                                \
  X(slist_append) X(slist_free_all)                                                             \
  X(url) X(url_cleanup) X(url_get) X(url_set)
#define COFOUNDER_CURL_POINTER(name) decltype(&::curl_##name) name = nullptr;
  COFOUNDER_CURL_FUNCTIONS(COFOUNDER_CURL_POINTER)
#undef COFOUNDER_CURL_POINTER
};

// Opens the library of that name.  Code "http_unavailable".  Any thread.
Result<Curl> open_curl(const char* name);

// The one that the client uses, opened and initialised by the first call (some milliseconds), for
// ever; a failure is for ever, too.  Any thread.
const Result<Curl>& load_curl();

// Where load_curl() has succeeded before.
const Curl& curl() noexcept;

}  // namespace cofounder::http
