// SPDX-License-Identifier: Apache-2.0
// Any OpenID provider, by discovery; and what Google and Microsoft do differently.
#include <algorithm>

#include "crypto.hpp"
#include "discovery.hpp"
#include "jwt.hpp"
#include "provider.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

constexpr sdk::Milliseconds metadata_age_max{3'600'000};
constexpr sdk::Milliseconds refetch_pause{60'000};  // however many unknown key ids come

class Oidc : public Provider {
 public:
  using Provider::Provider;

  Reply<std::string> login_url(Context ctx, LoginSecrets login) override {
    const auto known = co_await metadata(ctx);
    if (!known) co_return known.failure();
    Fields fields{{"response_type", "code"},
                  {"client_id", settings().client_id},
                  {"redirect_uri", login.redirect_uri},
                  {"scope", joined(settings().scopes)},
                  {"state", login.state},
                  {"nonce", login.nonce},
                  {"code_challenge", code_challenge(login.verifier)},
                  {"code_challenge_method", "S256"}};
    // Google gives a refresh token only for these two; others for the scope and the consent.
    if (settings().kind == Kind::google) fields.emplace_back("access_type", "offline");
    if (settings().kind == Kind::google || wants_offline()) fields.emplace_back("prompt", "consent");
    co_return with_query(known->authorization_endpoint, fields);
  }

  Reply<bool> accepts_issuer(Context ctx, std::optional<std::string> iss) override {
    const auto known = co_await metadata(ctx);
    if (!known) co_return known.failure();
    if (!iss) co_return !known->sends_issuer;
    co_return *iss == known->issuer;
  }

  Reply<Tokens> exchange(Context ctx, std::string code, LoginSecrets login) override {
    Fields fields{{"grant_type", "authorization_code"},
                  {"code", code},
                  {"redirect_uri", login.redirect_uri},
                  {"code_verifier", login.verifier}};
    auto tokens = co_await token(ctx, std::move(fields));
    if (tokens && tokens->id_token.empty()) co_return bad_answer("token.id_token is missing");
    co_return std::move(tokens);
  }

  Reply<Tokens> refresh(Context ctx, std::string refresh_token) override {
    Fields fields{{"grant_type", "refresh_token"}, {"refresh_token", refresh_token}};
    co_return co_await token(ctx, std::move(fields));
  }

  Reply<DeviceStart> start_device(Context ctx) override {
    const auto known = co_await metadata(ctx);
    if (!known) co_return known.failure();
    if (known->device_authorization_endpoint.empty()) {
      co_return refusal(400, COF_EUNSUPPORTED, "unsupported_by_provider",
                        "the provider \"" + settings().name + "\" has no login by device");
    }
    Fields fields{{"scope", joined(settings().scopes)}};
    auto post = authenticated(ctx, *known, known->device_authorization_endpoint, std::move(fields));
    if (!post) co_return post.failure();
    auto response = co_await ask(ctx, std::move(*post), "the provider's device endpoint");
    if (!response) co_return response.failure();
    co_return read_device_start(*response);
  }

  Reply<Tokens> poll_device(Context ctx, std::string device_code) override {
    Fields fields{{"grant_type", "urn:ietf:params:oauth:grant-type:device_code"},
                  {"device_code", device_code}};
    auto tokens = co_await token(ctx, std::move(fields));
    if (tokens && tokens->id_token.empty()) co_return bad_answer("token.id_token is missing");
    co_return std::move(tokens);
  }

  Reply<Person> person(Context ctx, Tokens tokens, std::string nonce) override {
    auto known = co_await metadata(ctx);
    if (!known) co_return known.failure();
    // A refresh may leave the id_token out; userinfo then says whether it is still the same person.
    Json claims = Json::object();
    if (!tokens.id_token.empty()) {
      auto checked = co_await checked_claims(ctx, *known, tokens, std::move(nonce));
      if (!checked) co_return checked.failure();
      claims = std::move(*checked);
    }
    // Google's and Microsoft's id_token says all there is.
    if (settings().kind == Kind::oidc && !known->userinfo_endpoint.empty()) {
      auto more = co_await userinfo(ctx, known->userinfo_endpoint, tokens.access);
      if (!more) co_return more.failure();
      if (claims.contains("sub") && more->value("sub", Json{}) != claims.at("sub")) {
        co_return bad_answer("userinfo.sub is not the id_token's");
      }
      claims.update(*more);
    }
    co_return read_person(claims);
  }

  Reply<bool> revoke(Context ctx, Tokens tokens) override {
    const auto known = co_await metadata(ctx);
    if (!known) co_return known.failure();
    if (known->revocation_endpoint.empty()) co_return false;
    const bool has_refresh = !tokens.refresh.empty();
    Fields fields{{"token", has_refresh ? tokens.refresh : tokens.access},
                  {"token_type_hint", has_refresh ? "refresh_token" : "access_token"}};
    auto post = authenticated(ctx, *known, known->revocation_endpoint, std::move(fields));
    if (!post) co_return post.failure();
    post->idempotent = true;
    post->tries_max = 0;
    auto response = co_await ask(ctx, std::move(*post), "the provider's revocation endpoint");
    if (!response) co_return response.failure();
    if (response->status == 200) co_return true;
    const auto why = read_object(*response, "the revocation");
    if (!why) co_return why.failure();
    co_return bad_answer("the revocation has status " + std::to_string(response->status));
  }

 private:
  bool wants_offline() const {
    const auto& scopes = settings().scopes;
    return settings().kind != Kind::microsoft &&
           std::find(scopes.begin(), scopes.end(), "offline_access") != scopes.end();
  }

  // Asked for once an hour; a provider that is away keeps what is known of it.
  Reply<Metadata> metadata(Context ctx) {
    const auto now = ctx.host().wall();
    if (metadata_ && now - metadata_at_ < metadata_age_max) co_return *metadata_;
    std::string url = settings().issuer;
    while (url.ends_with('/')) url.pop_back();
    sdk::HttpRequest get = request("GET", url + "/.well-known/openid-configuration");
    auto response = co_await ask(ctx, std::move(get), "the provider's discovery");
    if (!response && metadata_) co_return *metadata_;
    if (!response) co_return response.failure();
    const auto json = read_object(*response, "the discovery");
    if (!json) co_return json.failure();
    auto fresh = read_metadata(*json, settings());
    if (!fresh) co_return fresh.failure();
    metadata_ = std::move(*fresh);
    metadata_at_ = now;
    co_return *metadata_;
  }

  // A POST to an endpoint of the provider, by this client.
  sdk::Result<sdk::HttpRequest> authenticated(Context ctx, const Metadata& known,
                                              const std::string& url, Fields fields) const {
    auto key = secret(ctx);
    if (!key) return key.failure();
    sdk::HttpRequest post = request("POST", url);
    post.tries_max = 1;  // codes and refresh tokens work once
    if (key->empty() || known.secret_in_body) {
      fields.emplace_back("client_id", settings().client_id);
      fields.emplace_back("client_secret", *key);
    } else {
      post.header("Authorization", "Basic " + base64(form_encode(settings().client_id) + ":" +
                                                     form_encode(*key)));
    }
    post.body(form(fields), "application/x-www-form-urlencoded");
    return post;
  }

  Reply<Tokens> token(Context ctx, Fields fields) {
    const auto known = co_await metadata(ctx);
    if (!known) co_return known.failure();
    auto post = authenticated(ctx, *known, known->token_endpoint, std::move(fields));
    if (!post) co_return post.failure();
    auto response = co_await ask(ctx, std::move(*post), "the provider's token endpoint");
    if (!response) co_return response.failure();
    co_return read_tokens(*response);
  }

  Reply<Json> checked_claims(Context ctx, Metadata known, Tokens tokens, std::string nonce) {
    const auto jwt = parse_jwt(tokens.id_token);
    if (!jwt) co_return jwt.failure();
    if (!settings().algorithms.contains(jwt->algorithm)) {
      co_return refusal(502, COF_EFAILED, "bad_id_token",
                        "the provider's id_token: alg is none of the allowed ones");
    }
    auto signed_well = co_await is_signed(ctx, known.jwks_uri, *jwt);
    if (!signed_well) co_return signed_well.failure();
    if (!*signed_well) {
      co_return refusal(502, COF_EFAILED, "bad_id_token",
                        "the provider's id_token: no key of the provider has signed it");
    }
    TokenExpectation wanted;
    wanted.issuer = known.issuer;
    wanted.client_id = settings().client_id;
    if (!nonce.empty()) wanted.nonce = nonce;
    wanted.access_token = tokens.access;
    wanted.now_s = ctx.host().wall().time_since_epoch().count() / 1000;
    if (auto good = check_claims(*jwt, wanted); !good) co_return good.failure();
    co_return jwt->claims;
  }

  Reply<bool> is_signed(Context ctx, std::string jwks_uri, Jwt jwt) {
    auto candidates = keys_.find(jwt.algorithm, jwt.key_id);
    const auto now = ctx.host().wall();
    // A key id that is new is looked for once a minute at most, or anybody could make us ask.
    if (candidates.empty() && (!keys_at_ || now - *keys_at_ >= refetch_pause)) {
      sdk::HttpRequest get = request("GET", std::move(jwks_uri));
      auto response = co_await ask(ctx, std::move(get), "the provider's jwks_uri");
      if (!response) co_return response.failure();
      const auto json = read_object(*response, "jwks_uri");
      if (!json) co_return json.failure();
      auto fresh = KeySet::parse(response->body);
      if (!fresh) co_return fresh.failure();
      keys_ = std::move(*fresh);
      keys_at_ = now;
      candidates = keys_.find(jwt.algorithm, jwt.key_id);
    }
    // Without a key id it must be clear which key it is.
    if (!jwt.key_id && candidates.size() > 1) co_return false;
    for (const auto& key : candidates) {
      if (has_valid_signature(jwt, *key)) co_return true;
    }
    co_return false;
  }

  Reply<Json> userinfo(Context ctx, std::string url, std::string access) const {
    sdk::HttpRequest get = request("GET", std::move(url));
    get.header("Authorization", "Bearer " + access);
    auto response = co_await ask(ctx, std::move(get), "the provider's userinfo");
    if (!response) co_return response.failure();
    co_return read_object(*response, "userinfo");
  }

  sdk::Result<Person> read_person(const Json& claims) const {
    std::string sub, email, tenant, object;
    Person person;
    person.provider = settings().name;
    for (const auto& [key, to] :
         {std::pair{"sub", &sub}, std::pair{"email", &email}, std::pair{"tid", &tenant},
          std::pair{"oid", &object}, std::pair{"preferred_username", &person.login},
          std::pair{"name", &person.name}, std::pair{"picture", &person.avatar_url}}) {
      auto text = text_in(claims, key, "claims");
      if (!text) return text.failure();
      *to = std::move(*text);
    }
    if (sub.empty()) return bad_answer("claims.sub is missing");
    // Microsoft's sub is another for each client; tenant and object are the person.
    const bool by_object = settings().kind == Kind::microsoft && !tenant.empty() && !object.empty();
    person.subject = settings().name + ":" + (by_object ? tenant + "." + object : sub);
    person.email = is_verified(claims) ? email : "";
    read_orgs(claims, tenant, person);
    return person;
  }

  // Microsoft never says email_verified; without xms_edov anybody can put any address there.
  bool is_verified(const Json& claims) const {
    const Json said =
        claims.value(settings().kind == Kind::microsoft ? "xms_edov" : "email_verified", Json{});
    return said == true || said == "true" || (settings().kind == Kind::microsoft && said == 1);
  }

  void read_orgs(const Json& claims, const std::string& tenant, Person& person) const {
    if (!tenant.empty() && settings().kind == Kind::microsoft) person.orgs.push_back(tenant);
    const Json hosted = claims.value("hd", Json{});
    if (hosted.is_string() && settings().kind == Kind::google) person.orgs.push_back(hosted);
    const Json groups = claims.value("groups", Json{});
    if (settings().kind != Kind::oidc || !groups.is_array()) return;
    for (const Json& group : groups) {
      if (group.is_string() && person.orgs.size() < 100) person.orgs.push_back(group);
    }
  }

  std::optional<Metadata> metadata_;
  sdk::WallTime metadata_at_{};
  KeySet keys_;
  std::optional<sdk::WallTime> keys_at_;
};

}  // namespace

std::shared_ptr<Provider> make_oidc(ProviderSettings settings) {
  return std::make_shared<Oidc>(std::move(settings));
}

}  // namespace oauth
