// SPDX-License-Identifier: Apache-2.0
// Facebook: no OpenID Connect for web sites; its Graph API says who somebody is, and never whether an
// e-mail address is verified, so that there is none.
#include "crypto.hpp"
#include "provider.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

class Facebook : public Provider {
 public:
  using Provider::Provider;

  Reply<std::string> login_url(Context, LoginSecrets login) override {
    co_return with_query(settings().base_url + "/" + settings().version + "/dialog/oauth",
                         Fields{{"client_id", settings().client_id},
                                {"redirect_uri", login.redirect_uri},
                                {"response_type", "code"},
                                {"scope", joined(settings().scopes)},
                                {"state", login.state},
                                {"code_challenge", code_challenge(login.verifier)},
                                {"code_challenge_method", "S256"}});
  }

  Reply<bool> accepts_issuer(Context, std::optional<std::string> iss) override {
    co_return !iss || *iss == settings().base_url;
  }

  Reply<Tokens> exchange(Context ctx, std::string code, LoginSecrets login) override {
    auto known = secret(ctx);
    if (!known) co_return known.failure();
    sdk::HttpRequest post = request("POST", graph("/oauth/access_token"));
    const Fields fields{{"client_id", settings().client_id},
                        {"client_secret", *known},
                        {"redirect_uri", login.redirect_uri},
                        {"code", code},
                        {"code_verifier", login.verifier}};
    post.body(form(fields), "application/x-www-form-urlencoded");
    post.tries_max = 1;
    auto response = co_await ask(ctx, std::move(post), "Facebook's token endpoint");
    if (!response) co_return response.failure();
    co_return read_tokens(*response);
  }

  Reply<Person> person(Context ctx, Tokens tokens, std::string) override {
    auto get = proven(ctx, "GET", "/me?fields=id,name", tokens.access);
    if (!get) co_return get.failure();
    auto response = co_await ask(ctx, std::move(*get), "Facebook's /me");
    if (!response) co_return response.failure();
    const auto me = read_object(*response, "/me");
    if (!me) co_return me.failure();
    auto id = text_in(*me, "id", "/me", 128);
    if (!id) co_return id.failure();
    if (id->empty()) co_return bad_answer("/me.id is missing");
    auto name = text_in(*me, "name", "/me");
    if (!name) co_return name.failure();
    Person person;
    person.provider = settings().name;
    person.subject = settings().name + ":" + *id;
    person.name = std::move(*name);
    co_return std::move(person);
  }

  Reply<bool> revoke(Context ctx, Tokens tokens) override {
    auto del = proven(ctx, "DELETE", "/me/permissions", tokens.access);
    if (!del) co_return del.failure();
    auto response = co_await ask(ctx, std::move(*del), "Facebook's revocation");
    if (!response) co_return response.failure();
    const auto answer = read_object(*response, "the revocation");
    if (!answer) co_return answer.failure();
    if (answer->value("success", Json{}) == true) co_return true;
    co_return bad_answer("the revocation has no success");
  }

 private:
  std::string graph(const std::string& path) const {
    return settings().api_url + "/" + settings().version + path;
  }

  // The token in a header, with the proof that it is the app that uses it.
  sdk::Result<sdk::HttpRequest> proven(Context ctx, const char* method, const std::string& path,
                                       const std::string& access) const {
    const auto known = secret(ctx);
    if (!known) return known.failure();
    const std::string proof = hexadecimal(hmac_sha256(*known, access));
    sdk::HttpRequest out =
        request(method, with_query(graph(path), Fields{{"appsecret_proof", proof}}));
    out.header("Authorization", "Bearer " + access);
    return out;
  }
};

}  // namespace

std::shared_ptr<Provider> make_facebook(ProviderSettings settings) {
  return std::make_shared<Facebook>(std::move(settings));
}

}  // namespace oauth
