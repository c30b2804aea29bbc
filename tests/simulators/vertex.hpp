// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulators/google_account.hpp"

// Tuning jobs of Vertex, as much of Cloud Storage as they need, and the token endpoint, on one port.
// Sources: the official clients (@google/genai 3.1, @google-cloud/storage 8.4 of npm), 2026-11-23.
namespace simulator {

struct VertexOptions {
  std::string project = "p1";
  std::string location = "us-central1";
  std::string bucket = "bucket";
  int looks = 3;         // how often a job is asked for before it is over
  bool failing = false;  // jobs fail
};

class Vertex {
 public:
  explicit Vertex(VertexOptions options) : options_{std::move(options)} {}
  // POST /token; GET /_key gives the service account's key; all else wants an access token.
  Response handle(const Request& request);
  const GoogleAccount& account() const { return account_; }

 private:
  using Json = nlohmann::json;
  using Query = std::map<std::string, std::string>;
  Response storage_route(const Request& request, const Query& query);
  Response upload(const Request& request, const Query& query);
  Response jobs_route(const Request& request, const std::string& rest, const Query& query);
  Response create(const Request& request);
  Response list(const Query& query) const;
  void move_on(Json& job);

  VertexOptions options_;
  std::mutex mutex_;  // for all below
  GoogleAccount account_;
  std::map<std::string, std::string> objects_;  // by name, in the bucket
  std::vector<Json> jobs_;
  std::map<std::string, int> looks_;  // by name
};

// ---- vertex_checks.cpp

// Why the body of tuningJobs.create is refused; nothing when it is not.
std::optional<std::string> check_tuning_job(const nlohmann::json& body);
Response google_error(int status, const std::string& message);

}  // namespace simulator
