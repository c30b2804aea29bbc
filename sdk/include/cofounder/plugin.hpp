// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything that a plugin in C++20 needs: a header-only layer over the C interface of plugin.h. It
// is compiled into the plugin and hidden there, so that it is no part of the binary interface.
//
//   cpp/plugin_class.hpp  Plugin: operations, routes, events and hooks of a class
//   cpp/context.hpp       Context: a call, and all that the host does for it
//   cpp/task.hpp          Task<T>: coroutines, and THE RULE for g++ 12 (read it first)
//   cpp/result.hpp        Result<T>, Failure, Failed; Json
//   cpp/reply.hpp         Future<T>: the answer that a service will give
//   cpp/http.hpp          requests, multipart bodies, streamed answers
//   cpp/process.hpp       programs, their output line by line
//   cpp/store.hpp         key-value space, task requests, usage records
//   cpp/file.hpp          files that a client named
//   cpp/route.hpp         HTTP requests for the plugin, and their answers
//   cpp/identity.hpp      who(): the person behind a request
//   cpp/host.hpp          Host: log, metrics, events and time outside of a call
//
// A plugin of this layer requires at least cof.call/1.0 and cof.error/1.0 in its manifest, and each
// further service that it uses.  A service that the host lacks fails with COF_EUNSUPPORTED.
#include "plugin.h"

#include "cpp/context.hpp"
#include "cpp/file.hpp"
#include "cpp/host.hpp"
#include "cpp/http.hpp"
#include "cpp/identity.hpp"
#include "cpp/plugin_class.hpp"
#include "cpp/process.hpp"
#include "cpp/reply.hpp"
#include "cpp/result.hpp"
#include "cpp/route.hpp"
#include "cpp/slots.hpp"
#include "cpp/store.hpp"
#include "cpp/task.hpp"

namespace cofounder::sdk::inline v1 {

// The table of a plugin class, for unit tests that do without a library.
template <class Class>
const cof_plugin& plugin_table() noexcept {
  static constexpr cof_plugin table = detail::make_table<Class>();
  return table;
}

}  // namespace cofounder::sdk::inline v1

// Makes `Class` the plugin of this library, with `manifest` (a string literal of JSON).  Once, at
// the end of one file, outside of any namespace.
#define COF_EXPORT_PLUGIN(Class, manifest)                            \
  COF_MANIFEST(manifest);                                             \
  extern "C" COF_EXPORT const cof_plugin* cof_plugin_entry_v1(void) { \
    return &::cofounder::sdk::plugin_table<Class>();                  \
  }                                                                   \
  static_assert(true)
