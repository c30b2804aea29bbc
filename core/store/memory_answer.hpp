// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/memory_store.hpp"

#include <utility>

namespace cofounder {

template <class T>
void MemoryStore::answer(Done<T> done, Result<T> result, Time now) {
  settle(now, [done = std::move(done), result = std::move(result)]() mutable {
    done(std::move(result));
  });
}

}  // namespace cofounder
