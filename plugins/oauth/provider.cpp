// SPDX-License-Identifier: Apache-2.0
#include "provider.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;

namespace {

constexpr std::uint64_t answer_bytes_max = 1u << 20;

sdk::Failure unsupported(const std::string& provider, const char* what) {
  return refusal(400, COF_EUNSUPPORTED, "unsupported_by_provider",
                 "the provider \"" + provider + "\" has no " + what);
}

}  // namespace

Provider::Reply<Tokens> Provider::refresh(Context, std::string) {
  co_return unsupported(settings_.name, "refresh tokens");
}
Provider::Reply<DeviceStart> Provider::start_device(Context) {
  co_return unsupported(settings_.name, "login by device");
}
Provider::Reply<Tokens> Provider::poll_device(Context, std::string) {
  co_return unsupported(settings_.name, "login by device");
}

sdk::Result<std::string> Provider::secret(Context ctx) const {
  if (!settings_.has_secret) return std::string{};
  auto value = ctx.secret(settings_.name + ".client_secret");
  if (!value) {
    return refusal(503, COF_EUNAVAILABLE, "not_configured",
                   "[plugin.oauth." + settings_.name + "] client_secret cannot be read");
  }
  return value;
}

sdk::HttpRequest Provider::request(std::string method, std::string url) const {
  sdk::HttpRequest request{std::move(method), std::move(url)};
  request.header("User-Agent", "cofounderd").header("Accept", "application/json");
  request.total_timeout = settings_.timeout;
  request.response_bytes_max = answer_bytes_max;
  return request;
}

Provider::Reply<sdk::HttpResponse> Provider::ask(Context ctx, sdk::HttpRequest request,
                                                 std::string what) const {
  auto response = co_await ctx.http().send(request);
  if (!response) co_return transport_failure(response.failure(), what);
  co_return std::move(*response);
}

std::shared_ptr<Provider> make_provider(ProviderSettings settings) {
  switch (settings.kind) {
    case Kind::github:
      return make_github(std::move(settings));
    case Kind::facebook:
      return make_facebook(std::move(settings));
    default:
      return make_oidc(std::move(settings));
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

}  // namespace oauth
