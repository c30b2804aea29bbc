// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/function.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cofounder {

// All of a store as it was at one moment.  It is gone from the disk when this is destroyed, which
// has to happen on the loop and before the store goes.
class StoreCopy {
 public:
  virtual ~StoreCopy() = default;
  virtual std::uint64_t size() const noexcept = 0;
  // The next bytes, on the loop; an empty text: that was all.  One call at a time.
  virtual void read(UniqueFunction<void(Result<std::string>)> done) = 0;
};

// What an operator does with a store as a whole, beside its work and without holding that up.
// The rules of TaskStore hold: asynchronous, on the loop.
class StoreUpkeep {
 public:
  template <class T>
  using Done = UniqueFunction<void(Result<T>)>;

  virtual ~StoreUpkeep() = default;
  // Everything that was acknowledged before is in the copy.  Codes: "busy" while there is another
  // copy, "disk_full" when there is no room for it, "store_damaged", "store_unavailable".
  virtual void copy(Done<std::unique_ptr<StoreCopy>> done) = 0;
  // What is wrong with the store, a sentence each; none: nothing.
  virtual void check(Done<std::vector<std::string>> done) = 0;
};

}  // namespace cofounder
