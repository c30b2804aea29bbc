// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/function.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace cofounder {

// What somebody asked the store for, on its way from the loop to a thread and back.  One allocation
// serves the whole way.
template <class Target>
class SqliteOperation {
 public:
  virtual ~SqliteOperation() = default;
  virtual void apply(Target& target) = 0;     // on the thread; throws SqliteError
  virtual void deliver() = 0;                 // on the loop, after apply()
  virtual void fail(const Error& error) = 0;  // on the loop, instead of it

  Time now{};            // when it was asked for
  std::size_t rows = 1;  // what it adds to a commit
  std::size_t bytes = 0;
};

template <class Target, class T, class Work>
class SqliteOperationOf final : public SqliteOperation<Target> {
 public:
  SqliteOperationOf(UniqueFunction<void(Result<T>)> done, Work work)
      : done_{std::move(done)}, work_{std::move(work)} {}

  void apply(Target& target) override { result_.emplace(work_(target)); }
  void deliver() override {
    if (done_) done_(std::move(*result_));
  }
  void fail(const Error& error) override {
    if (done_) done_(error);
  }

 private:
  UniqueFunction<void(Result<T>)> done_;
  Work work_;
  std::optional<Result<T>> result_;
};

// `work(target)` gives the T or Result<T> that `done` gets.
template <class Target, class T, class Work>
std::unique_ptr<SqliteOperation<Target>> make_sqlite_operation(Time now,
                                                               UniqueFunction<void(Result<T>)> done,
                                                               Work work) {
  auto operation =
      std::make_unique<SqliteOperationOf<Target, T, Work>>(std::move(done), std::move(work));
  operation->now = now;
  return operation;
}

}  // namespace cofounder
