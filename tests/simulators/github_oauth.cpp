// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/github_oauth.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace simulator {

using Json = nlohmann::json;

namespace {

constexpr std::int64_t code_age_max_s = 600;
constexpr std::string_view device_grant = "urn:ietf:params:oauth:grant-type:device_code";

Response html(int status, const std::string& text) {
  Response response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.body = "<!DOCTYPE html><html><body>" + text + "</body></html>";
  return response;
}

Response json_response(const Json& json, int status = 200) {
  Response response;
  response.status = status;
  response.body = json.dump();
  return response;
}

Response api_error(int status, const std::string& message) {
  return json_response({{"message", message},
                        {"documentation_url", "https://docs.github.com/rest"},
                        {"status", std::to_string(status)}},
                       status);
}

// Login errors come with status 200.
Response login_error(const std::string& code, const std::string& description) {
  return json_response({{"error", code},
                        {"error_description", description},
                        {"error_uri", "https://docs.github.com/apps/oauth-apps/troubleshooting#" + code}});
}

std::string value_of(const std::map<std::string, std::string>& fields, const char* name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string{} : found->second;
}

// What asks for a form gets a form.
Response in_the_wanted_form(const Request& request, Response response) {
  if (response.status != 200) return response;
  if (request.header("accept").find("application/json") != std::string_view::npos) return response;
  const Json json = Json::parse(response.body);
  std::map<std::string, std::string> fields;
  for (const auto& [name, value] : json.items()) {
    fields[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  response.body = encode_form(fields);
  response.content_type = "application/x-www-form-urlencoded; charset=utf-8";
  return response;
}

// "http://127.0.0.1:4711/a/b" -> {"http://127.0.0.1", "/a/b"}; the port of a loopback address is free.
std::pair<std::string, std::string> place_of(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return {};
  const auto slash = url.find('/', scheme + 3);
  std::string origin = url.substr(0, slash);
  std::string path = slash == std::string::npos ? "/" : url.substr(slash);
  path = path.substr(0, path.find_first_of("?#"));
  for (const std::string loopback : {"http://127.0.0.1", "http://[::1]"}) {
    if (origin == loopback || origin.starts_with(loopback + ":")) origin = loopback;
  }
  return {origin, path};
}

}  // namespace

bool GithubOauth::is_registered(const std::string& redirect_uri) const {
  const auto [origin, path] = place_of(redirect_uri);
  const auto [wanted_origin, wanted_path] = place_of(options_.redirect_uri);
  return origin == wanted_origin && (path == wanted_path || path.starts_with(wanted_path + "/"));
}

Response GithubOauth::handle(const Request& request) {
  const std::lock_guard lock{mutex_};
  if (request.path == "/_device" && request.method == "POST") {
    const auto fields = body_fields(request);
    const bool agree = fields && value_of(*fields, "agree") != "no";
    for (auto& [code, device] : devices_) {
      if (fields && device.user_code == value_of(*fields, "user_code")) {
        device.agreed = agree;
        return json_response(Json::object());
      }
    }
    return api_error(404, "no such code");
  }
  if (request.path == "/login/oauth/authorize") {
    return request.method == "GET" ? authorize(request) : html(404, "Not Found");
  }
  if (request.path == "/login/oauth/access_token") {
    if (request.method != "POST") return html(404, "Not Found");
    return in_the_wanted_form(request, token(request));
  }
  if (request.path == "/login/device/code") {
    if (request.method != "POST") return html(404, "Not Found");
    return in_the_wanted_form(request, device_code(request));
  }
  const std::string_view enterprise = "/api/v3";
  std::string path = request.path;
  if (path.starts_with(enterprise)) path.erase(0, enterprise.size());
  return api(request, path);
}

Response GithubOauth::authorize(const Request& request) {
  const auto fields = query_fields(request);
  if (!fields) return html(400, "Bad Request");
  if (value_of(*fields, "client_id") != options_.client_id) return html(404, "Not Found");
  const std::string redirect = fields->contains("redirect_uri") ? value_of(*fields, "redirect_uri")
                                                                : options_.redirect_uri;
  std::map<std::string, std::string> back;
  if (fields->contains("state")) back["state"] = value_of(*fields, "state");
  const auto error = [&](const char* code, const char* why, const std::string& to) {
    back["error"] = code;
    back["error_description"] = why;
    back["error_uri"] = "https://docs.github.com/apps";
    return redirect_to(to, back);
  };
  if (!is_registered(redirect)) {
    return error("redirect_uri_mismatch",
                 "The redirect_uri MUST match the registered callback URL for this application.",
                 options_.redirect_uri);
  }
  const std::string challenge = value_of(*fields, "code_challenge");
  const bool has_method = fields->contains("code_challenge_method");
  if (has_method && value_of(*fields, "code_challenge_method") != "S256") {
    return error("invalid_request", "Only S256 is supported.", redirect);
  }
  if (has_method != !challenge.empty() || (!challenge.empty() && challenge.size() != 43)) {
    return error("invalid_request", "The code_challenge is malformed.", redirect);
  }
  if (options_.denies) return error("access_denied", "The user has denied your application access.", redirect);
  back["code"] = random_word("", 20);
  codes_[back["code"]] = {redirect, challenge, value_of(*fields, "scope"), seconds_now()};
  return redirect_to(redirect, back);
}

Response GithubOauth::token(const Request& request) {
  const auto fields = fields_of(request);
  if (!fields) return html(400, "Bad Request");
  const std::string grant = value_of(*fields, "grant_type");
  if (grant == device_grant) return by_device(*fields);
  if (value_of(*fields, "client_id") != options_.client_id ||
      value_of(*fields, "client_secret") != options_.client_secret) {
    return login_error("incorrect_client_credentials",
                       "The client_id and/or client_secret passed are incorrect.");
  }
  if (grant == "refresh_token") return by_refresh(*fields);
  if (!grant.empty() && grant != "authorization_code") {
    return login_error("unsupported_grant_type", "The grant_type is not supported.");
  }
  return by_code(*fields);
}

// Query and body together: GitHub takes both.
std::optional<GithubOauth::Fields> GithubOauth::fields_of(const Request& request) const {
  auto fields = query_fields(request);
  if (request.body.empty() || !fields) return fields;
  const auto more = body_fields(request);
  if (!more) return std::nullopt;
  for (const auto& [name, value] : *more) {
    if (!fields->emplace(name, value).second) return std::nullopt;
  }
  return fields;
}

Response GithubOauth::by_code(const Fields& fields) {
  const auto found = codes_.find(value_of(fields, "code"));
  const auto bad = login_error("bad_verification_code", "The code passed is incorrect or expired.");
  if (found == codes_.end() || found->second.used) return bad;
  Code& code = found->second;
  if (seconds_now() - code.at_s > code_age_max_s) return bad;
  if (fields.contains("redirect_uri") && value_of(fields, "redirect_uri") != code.redirect_uri) {
    return login_error("redirect_uri_mismatch",
                       "The redirect_uri MUST match the registered callback URL for this application.");
  }
  const std::string verifier = value_of(fields, "code_verifier");
  const bool proves = code.challenge.empty() ? verifier.empty()
                                             : is_pkce_text(verifier) &&
                                                   challenge_of(verifier) == code.challenge;
  if (!proves) return bad;
  code.used = true;
  return new_token(code.scope, /*from_device=*/false);
}

Response GithubOauth::new_token(const std::string& scope, bool from_device) {
  Token token;
  token.scope = scope;
  std::replace(token.scope.begin(), token.scope.end(), ' ', ',');
  if (!options_.expires) {
    const std::string access = random_word("gho_", 36);
    tokens_[access] = token;
    return json_response(
        {{"access_token", access}, {"scope", token.scope}, {"token_type", "bearer"}});
  }
  const std::string access = random_word("ghu_", 36);
  token.scope.clear();
  token.refresh = random_word("ghr_", 76);
  token.expires_s = seconds_now() + options_.expires_in_s;
  tokens_[access] = token;
  // A device's token cannot be refreshed without the app's secret, which it does not have.
  if (!from_device) refresh_[token.refresh] = access;
  return json_response({{"access_token", access},
                        {"expires_in", options_.expires_in_s},
                        {"refresh_token", token.refresh},
                        {"refresh_token_expires_in", 15'811'200},
                        {"scope", ""},
                        {"token_type", "bearer"}});
}

Response GithubOauth::by_refresh(const Fields& fields) {
  const auto found = refresh_.find(value_of(fields, "refresh_token"));
  if (found == refresh_.end()) {
    return login_error("bad_refresh_token", "The refresh token passed is incorrect or expired.");
  }
  tokens_.erase(found->second);  // both die
  refresh_.erase(found);
  return new_token("", /*from_device=*/false);
}

Response GithubOauth::device_code(const Request& request) {
  const auto fields = fields_of(request);
  if (!fields) return html(400, "Bad Request");
  if (value_of(*fields, "client_id") != options_.client_id) return html(404, "Not Found");
  if (!options_.device_flow) {
    return login_error("device_flow_disabled", "Device Flow must be explicitly enabled for this App");
  }
  const std::string code = random_word("", 40);
  Device device;
  device.user_code = random_word("", 4) + "-" + random_word("", 4);
  for (char& c : device.user_code) {
    if (c >= 'a') c = static_cast<char>(c - 'a' + 'A');
  }
  device.scope = value_of(*fields, "scope");
  device.at_s = seconds_now();
  device.interval_s = options_.device_interval_s;
  devices_[code] = device;
  return json_response({{"device_code", code},
                        {"user_code", device.user_code},
                        {"verification_uri", "https://github.com/login/device"},
                        {"expires_in", options_.device_age_s},
                        {"interval", device.interval_s}});
}

Response GithubOauth::by_device(const Fields& fields) {
  if (value_of(fields, "client_id") != options_.client_id) {
    return login_error("incorrect_client_credentials", "The client_id passed is incorrect.");
  }
  if (!options_.device_flow) {
    return login_error("device_flow_disabled", "Device Flow must be explicitly enabled for this App");
  }
  const auto found = devices_.find(value_of(fields, "device_code"));
  if (found == devices_.end()) {
    return login_error("incorrect_device_code", "The device_code provided is not valid.");
  }
  Device& device = found->second;
  const std::int64_t now = seconds_now();
  if (now - device.at_s > options_.device_age_s) {
    devices_.erase(found);
    return login_error("expired_token", "This 'device_code' has expired.");
  }
  if (!device.agreed) {
    const bool too_fast = now - device.polled_s < device.interval_s;
    device.polled_s = now;
    if (!too_fast) return login_error("authorization_pending", "The authorization request is still pending.");
    device.interval_s += 5;
    Response slow = login_error("slow_down", "Too many requests have been made in the same timeframe.");
    Json json = Json::parse(slow.body);
    json["interval"] = device.interval_s;
    return json_response(json);
  }
  const Device done = device;
  devices_.erase(found);
  if (!*done.agreed) return login_error("access_denied", "The authorization request was denied.");
  return new_token(done.scope, /*from_device=*/true);
}

const GithubOauth::Token* GithubOauth::token_of(const Request& request) const {
  const std::string_view header = request.header("authorization");
  const auto space = header.find(' ');
  const std::string kind{header.substr(0, space)};
  if (space == std::string_view::npos || (kind != "Bearer" && kind != "bearer" && kind != "token")) {
    return nullptr;
  }
  const auto found = tokens_.find(std::string{header.substr(space + 1)});
  if (found == tokens_.end()) return nullptr;
  if (found->second.expires_s != 0 && found->second.expires_s <= seconds_now()) return nullptr;
  return &found->second;
}

Response GithubOauth::api(const Request& request, const std::string& path) {
  if (request.header("user-agent").empty()) {
    return html(403, "Request forbidden by administrative rules. Please make sure your request has a "
                     "User-Agent header");
  }
  if (path.starts_with("/applications/")) {
    return applications(request, std::string_view{path}.substr(14));
  }
  if (path != "/user" && path != "/user/emails" && path != "/user/orgs") return api_error(404, "Not Found");
  if (request.method != "GET") return api_error(404, "Not Found");
  const Token* token = token_of(request);
  if (token == nullptr) {
    const bool none = request.header("authorization").empty();
    return api_error(401, none ? "Requires authentication" : "Bad credentials");
  }
  const auto has = [&](std::string_view scope) {
    return options_.expires || token->scope.find(scope) != std::string::npos;
  };
  Response response;
  response.headers = {{"X-OAuth-Scopes", token->scope},
                      {"X-RateLimit-Limit", "5000"},
                      {"X-RateLimit-Remaining", "4999"}};
  if (path == "/user/emails") {
    if (!has("user:email") && !has("user,")) return api_error(404, "Not Found");
    response.body = options_.emails;
    return response;
  }
  if (path == "/user/orgs") {
    if (!has("read:org")) return api_error(403, "You need at least read:org scope");
    response.body = options_.orgs;
    return response;
  }
  response.body = Json{{"login", options_.login},
                       {"id", options_.user_id},
                       {"node_id", "MDQ6VXNlcjU4MzIzMQ=="},
                       {"avatar_url", "https://avatars.githubusercontent.com/u/583231?v=4"},
                       {"type", "User"},
                       {"name", "The Octocat"},
                       {"email", Json{}}}
                      .dump();
  return response;
}

Response GithubOauth::applications(const Request& request, std::string_view rest) {
  const auto basic = basic_credentials(request);
  if (!basic || basic->first != options_.client_id || basic->second != options_.client_secret) {
    return api_error(401, "Requires authentication");
  }
  const auto slash = rest.find('/');
  if (rest.substr(0, slash) != options_.client_id) return api_error(404, "Not Found");
  const std::string_view what = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  if (what != "token" && what != "grant") return api_error(404, "Not Found");
  const auto fields = body_fields(request);
  if (!fields || value_of(*fields, "access_token").empty()) {
    return api_error(422, "Invalid request.\n\n\"access_token\" wasn't supplied.");
  }
  const auto found = tokens_.find(value_of(*fields, "access_token"));
  if (found == tokens_.end()) return api_error(404, "Not Found");
  Response response;
  if (request.method == "DELETE") {
    refresh_.erase(found->second.refresh);
    tokens_.erase(found);
    response.status = 204;
    return response;
  }
  if (what == "grant") return api_error(404, "Not Found");
  Json answer{{"id", 1}, {"token", found->first}, {"scopes", Json::array()},
              {"app", {{"client_id", options_.client_id}, {"name", "simulated"}, {"url", "http://localhost"}}},
              {"user", {{"login", options_.login}, {"id", options_.user_id}}}};
  if (request.method == "POST") return json_response(answer);
  if (request.method != "PATCH") return api_error(404, "Not Found");
  const std::string fresh = random_word("gho_", 36);
  tokens_[fresh] = found->second;
  tokens_.erase(found);
  answer["token"] = fresh;
  return json_response(answer);
}

bool GithubOauth::answer_device(const std::string& user_code, bool agree) {
  const std::lock_guard lock{mutex_};
  for (auto& [code, device] : devices_) {
    if (device.user_code != user_code) continue;
    device.agreed = agree;
    return true;
  }
  return false;
}

std::size_t GithubOauth::live_tokens() const {
  const std::lock_guard lock{mutex_};
  return tokens_.size();
}

}  // namespace simulator
