// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "remote.hpp"

namespace fine_tuning {

// Datasets as objects in S3, large ones in parts.  What is known of each stands in the job's state by
// its argument: {"uri", "ours", "size"?, "upload"?: of one in parts, "etags"?: of the parts that are
// there}.
class S3 {
 public:
  explicit S3(std::shared_ptr<const Settings> settings) : settings_{std::move(settings)} {}

  // Brings the file that the argument names to its "uri"; goes on where an earlier attempt stopped.
  cofounder::sdk::Task<cofounder::sdk::Result<void>> upload(cofounder::sdk::Context ctx, Job* job,
                                                            std::string argument);
  // Deletes the object and whatever an upload in parts left of it, and forgets the argument.
  cofounder::sdk::Task<cofounder::sdk::Result<void>> remove(cofounder::sdk::Context ctx, Job* job,
                                                            std::string argument);

 private:
  using Json = cofounder::sdk::Json;
  using Query = std::map<std::string, std::string>;
  struct Piece {
    const cofounder::sdk::File* file = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
  };

  cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::HttpResponse>> send(
      cofounder::sdk::Context ctx, std::string method, std::string path, Query query, std::string body);
  // Its ETag.
  cofounder::sdk::Task<cofounder::sdk::Result<std::string>> put(cofounder::sdk::Context ctx,
                                                                std::string path, Query query, Piece piece);
  cofounder::sdk::Task<cofounder::sdk::Result<void>> put_parts(cofounder::sdk::Context ctx, Job* job,
                                                               std::string argument, ObjectName name,
                                                               Piece whole);
  // The uploads in parts of this object that are not over.
  cofounder::sdk::Task<cofounder::sdk::Result<std::vector<std::string>>> uploads_of(
      cofounder::sdk::Context ctx, ObjectName name);
  cofounder::sdk::Task<cofounder::sdk::Result<std::string>> begin(cofounder::sdk::Context ctx,
                                                                  ObjectName name, bool again);
  cofounder::sdk::Task<cofounder::sdk::Result<void>> complete(cofounder::sdk::Context ctx, std::string path,
                                                              Json known);

  std::shared_ptr<const Settings> settings_;
};

}  // namespace fine_tuning
