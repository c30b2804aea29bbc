// SPDX-License-Identifier: Apache-2.0
// GitHub: OAuth apps and GitHub apps.  It is no OpenID provider: who somebody is comes from its API.
#include <algorithm>

#include "crypto.hpp"
#include "provider.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

constexpr std::size_t orgs_max = 100;

class Github : public Provider {
 public:
  using Provider::Provider;

  Reply<std::string> login_url(Context, LoginSecrets login) override {
    co_return with_query(settings().base_url + "/login/oauth/authorize",
                         Fields{{"client_id", settings().client_id},
                                {"redirect_uri", login.redirect_uri},
                                {"scope", joined(settings().scopes)},
                                {"state", login.state},
                                {"code_challenge", code_challenge(login.verifier)},
                                {"code_challenge_method", "S256"}});
  }

  Reply<bool> accepts_issuer(Context, std::optional<std::string> iss) override {
    co_return !iss || *iss == settings().base_url + "/login/oauth";
  }

  Reply<Tokens> exchange(Context ctx, std::string code, LoginSecrets login) override {
    Fields fields{{"code", code},
                  {"redirect_uri", login.redirect_uri},
                  {"code_verifier", login.verifier}};
    co_return co_await token(ctx, std::move(fields), /*with_secret=*/true);
  }

  Reply<Tokens> refresh(Context ctx, std::string refresh_token) override {
    Fields fields{{"grant_type", "refresh_token"}, {"refresh_token", refresh_token}};
    co_return co_await token(ctx, std::move(fields), /*with_secret=*/true);
  }

  Reply<DeviceStart> start_device(Context ctx) override {
    sdk::HttpRequest post = request("POST", settings().base_url + "/login/device/code");
    const Fields fields{{"client_id", settings().client_id}, {"scope", joined(settings().scopes)}};
    post.body(form(fields), "application/x-www-form-urlencoded");
    post.tries_max = 1;
    auto response = co_await ask(ctx, std::move(post), "GitHub's device endpoint");
    if (!response) co_return response.failure();
    co_return read_device_start(*response);
  }

  Reply<Tokens> poll_device(Context ctx, std::string device_code) override {
    Fields fields{{"device_code", device_code},
                  {"grant_type", "urn:ietf:params:oauth:grant-type:device_code"}};
    co_return co_await token(ctx, std::move(fields), /*with_secret=*/false);
  }

  Reply<Person> person(Context ctx, Tokens tokens, std::string) override {
    sdk::HttpRequest get = api("GET", "/user", tokens.access);
    auto response = co_await ask(ctx, std::move(get), "GitHub's /user");
    if (!response) co_return response.failure();
    const auto user = read_object(*response, "/user");
    if (!user) co_return user.failure();
    auto person = read_user(*user);
    if (!person) co_return person.failure();
    auto email = co_await verified_email(ctx, tokens.access);
    if (!email) co_return email.failure();
    person->email = std::move(*email);
    if (settings().wants_orgs) {
      auto orgs = co_await organizations(ctx, tokens.access);
      if (!orgs) co_return orgs.failure();
      person->orgs = std::move(*orgs);
    }
    co_return std::move(*person);
  }

  Reply<bool> revoke(Context ctx, Tokens tokens) override {
    const auto known = secret(ctx);
    if (!known) co_return known.failure();
    sdk::HttpRequest del =
        request("DELETE", settings().api_url + "/applications/" + settings().client_id + "/token");
    del.header("Authorization", "Basic " + base64(settings().client_id + ":" + *known));
    del.header("X-GitHub-Api-Version", "2022-11-28");
    del.json(Json{{"access_token", tokens.access}});
    auto response = co_await ask(ctx, std::move(del), "GitHub's revocation");
    if (!response) co_return response.failure();
    // 404 and 422: it is void already.
    if (response->status == 204 || response->status == 404 || response->status == 422) co_return true;
    co_return bad_answer("the revocation has status " + std::to_string(response->status));
  }

 private:
  sdk::HttpRequest api(const char* method, const std::string& path, const std::string& token) const {
    sdk::HttpRequest get{method, settings().api_url + path};
    get.header("User-Agent", "cofounderd").header("Accept", "application/vnd.github+json");
    get.header("X-GitHub-Api-Version", "2022-11-28").header("Authorization", "Bearer " + token);
    get.total_timeout = settings().timeout;
    get.response_bytes_max = 1u << 20;
    return get;
  }

  // Its errors come with status 200; a code works once, so that nothing is tried twice.
  Reply<Tokens> token(Context ctx, Fields fields, bool with_secret) const {
    fields.emplace_back("client_id", settings().client_id);
    if (with_secret) {
      auto known = secret(ctx);
      if (!known) co_return known.failure();
      fields.emplace_back("client_secret", std::move(*known));
    }
    sdk::HttpRequest post = request("POST", settings().base_url + "/login/oauth/access_token");
    post.body(form(fields), "application/x-www-form-urlencoded");
    post.tries_max = 1;
    auto response = co_await ask(ctx, std::move(post), "GitHub's token endpoint");
    if (!response) co_return response.failure();
    co_return read_tokens(*response);
  }

  sdk::Result<Person> read_user(const Json& user) const {
    const auto id = user.find("id");
    if (id == user.end() || !id->is_number_unsigned()) return bad_answer("/user.id is no number");
    Person person;
    person.provider = settings().name;
    // The id stays; a login can be given up, and be taken by somebody else.
    person.subject = settings().name + ":" + std::to_string(id->get<std::uint64_t>());
    for (const auto& [key, to] :
         {std::pair{"login", &person.login}, std::pair{"name", &person.name},
          std::pair{"avatar_url", &person.avatar_url}}) {
      auto text = text_in(user, key, "/user");
      if (!text) return text.failure();
      *to = std::move(*text);
    }
    if (person.login.empty()) return bad_answer("/user.login is missing");
    return person;
  }

  // Only the primary address, and only when it is verified; never an invented one.
  Reply<std::string> verified_email(Context ctx, std::string access) const {
    sdk::HttpRequest get = api("GET", "/user/emails", access);
    auto response = co_await ask(ctx, std::move(get), "GitHub's /user/emails");
    if (!response) co_return response.failure();
    // Without the scope user:email it does not say.
    if (response->status == 403 || response->status == 404) co_return std::string{};
    const Json list = Json::parse(response->body, nullptr, /*allow_exceptions=*/false);
    if (response->status != 200 || !list.is_array()) {
      const auto why = read_object(*response, "/user/emails");
      if (!why) co_return why.failure();
      co_return bad_answer("/user/emails is no list");
    }
    for (const Json& one : list) {
      if (!one.is_object() || one.value("primary", Json{}) != true) continue;
      if (one.value("verified", Json{}) != true) continue;
      co_return text_in(one, "email", "/user/emails", 320);
    }
    co_return std::string{};
  }

  Reply<std::vector<std::string>> organizations(Context ctx, std::string access) const {
    sdk::HttpRequest get = api("GET", "/user/orgs?per_page=100", access);
    auto response = co_await ask(ctx, std::move(get), "GitHub's /user/orgs");
    if (!response) co_return response.failure();
    std::vector<std::string> names;
    if (response->status == 403 || response->status == 404) co_return names;
    const Json list = Json::parse(response->body, nullptr, /*allow_exceptions=*/false);
    if (response->status != 200 || !list.is_array()) {
      const auto why = read_object(*response, "/user/orgs");
      if (!why) co_return why.failure();
      co_return bad_answer("/user/orgs is no list");
    }
    for (const Json& one : list) {
      if (names.size() == orgs_max) break;
      if (!one.is_object()) co_return bad_answer("/user/orgs holds no organization");
      auto name = text_in(one, "login", "/user/orgs", 128);
      if (!name) co_return name.failure();
      if (!name->empty()) names.push_back(std::move(*name));
    }
    co_return std::move(names);
  }
};

}  // namespace

std::shared_ptr<Provider> make_github(ProviderSettings settings) {
  return std::make_shared<Github>(std::move(settings));
}

}  // namespace oauth
