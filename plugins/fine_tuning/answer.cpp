// SPDX-License-Identifier: Apache-2.0
#include "answer.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::size_t words_bytes_max = 500;
constexpr std::size_t text_bytes_max = 2000;

// Somebody may send back what it got.
std::string without_keys(std::string text) {
  for (const std::string_view start : {"sk-", "ya29.", "AKIA"}) {
    for (std::size_t at = 0; (at = text.find(start, at)) != std::string::npos;) {
      // Not inside of a word: "task-1" is no key.
      if (at > 0 && std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0) {
        ++at;
        continue;
      }
      std::size_t end = at + start.size();
      const auto belongs = [&](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '*' || c == '.';
      };
      while (end < text.size() && belongs(text[end])) ++end;
      text.replace(at, end - at, "[key]");
      at += 5;
    }
  }
  return text;
}

std::string without_entities(std::string text) {
  static const std::array<std::pair<std::string_view, char>, 5> known{
      {{"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&amp;", '&'}}};
  for (const auto& [name, letter] : known) {  // "&amp;" last: what it makes is no entity
    for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; ++at) {
      text.replace(at, name.size(), 1, letter);
    }
  }
  return text;
}

}  // namespace

Refusal::Refusal(std::string_view its_provider, const sdk::HttpResponse& response)
    : provider{its_provider},
      status{response.status},
      content_type{response.header("content-type")},
      body{response.body},
      retry_after{response.retry_after} {}

Refusal::Refusal(std::string_view its_provider, const sdk::HttpStream& stream)
    : provider{its_provider},
      status{stream.status()},
      content_type{stream.header("content-type")},
      body{stream.error_body()},
      retry_after{stream.retry_after()} {}

std::string in_xml(std::string_view body, std::string_view tag) {
  const std::string open = "<" + std::string{tag} + ">";
  const auto from = body.find(open);
  if (from == std::string_view::npos) return {};
  const auto to = body.find("</", from);
  if (to == std::string_view::npos) return {};
  return without_entities(std::string{body.substr(from + open.size(), to - from - open.size())});
}

std::string words_of(std::string_view body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  std::string text;
  const auto take = [&text](const Json& from, const char* name) {
    if (!text.empty() || !from.is_object() || !from.contains(name)) return;
    if (from.at(name).is_string()) text = from.at(name).get<std::string>();
  };
  if (json.is_object()) {
    if (json.contains("error")) take(json.at("error"), "message");
    for (const char* name : {"error_description", "error", "message", "Message"}) take(json, name);
  } else if (body.starts_with("<?xml") || body.starts_with("<Error")) {
    text = in_xml(body, "Code") + ": " + in_xml(body, "Message");
  }
  text.resize(std::min(text.size(), words_bytes_max));
  return without_keys(std::move(text));
}

sdk::Failure failure_of(const Refusal& refusal) {
  const auto failure = [&](std::int32_t status, const char* code, const char* what) {
    std::string message = refusal.provider + " answered " + std::to_string(refusal.status) + ": " + what;
    if (const std::string said = words_of(refusal.body); !said.empty()) message += " (" + said + ")";
    return sdk::Failure{status, code, message};
  };
  if (refusal.status == 429) {
    return failure(COF_ELIMIT, "rate_limited", "too many requests").retry_in(refusal.retry_after);
  }
  if (refusal.status >= 500 || refusal.status == 408 || refusal.status == 425) {
    return failure(COF_EUNAVAILABLE, "provider_error", "it has a problem of its own")
        .retry_in(refusal.retry_after);
  }
  if (refusal.content_type.find("html") != std::string::npos) {
    return failure(COF_EINVALID, "wrong_url", "a web page: the provider's URL is wrong");
  }
  switch (refusal.status) {
    case 400:
    case 422:
      return failure(COF_EINVALID, "bad_request", "the request is wrong");
    case 401:
      return failure(COF_EDENIED, "unauthorized", "the key is wrong");
    case 402:
      return failure(COF_EDENIED, "payment_required", "the account has no credit left");
    case 403:
      return failure(COF_EDENIED, "forbidden", "the account may not do that");
    case 404:
      return failure(COF_ENOTFOUND, "not_found", "there is no such thing");
    case 409:
      return failure(COF_ECONFLICT, "conflict", "it exists already, or is in use").retry();
    case 413:
      return failure(COF_ETOOBIG, "too_large", "the request is too large");
    default:
      return failure(COF_EFAILED, "unexpected_status", "nobody expected that");
  }
}

sdk::Failure bad_answer(std::string_view provider, std::string_view field, std::string_view what) {
  return sdk::Failure{COF_EFAILED, "bad_answer",
                      std::string{provider} + "'s answer: " + std::string{field} + " " + std::string{what}}
      .retry();
}

sdk::Result<std::string> text_in(std::string_view provider, const Json& answer, const char* field) {
  const auto found = answer.find(field);
  if (found == answer.end() || !found->is_string() || found->get_ref<const std::string&>().empty()) {
    return bad_answer(provider, field, "is missing or no text");
  }
  std::string text = found->get<std::string>();
  const auto is_odd = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  if (text.size() > text_bytes_max || std::any_of(text.begin(), text.end(), is_odd)) {
    return bad_answer(provider, field, "is longer than 2000 bytes or has control characters");
  }
  return text;
}

std::optional<std::int64_t> count_in(const Json& answer, const char* field) {
  const auto found = answer.find(field);
  if (found == answer.end() || !found->is_number_integer()) return std::nullopt;
  if (found->is_number_unsigned() && found->get<std::uint64_t>() > INT64_MAX) return std::nullopt;
  const auto value = found->get<std::int64_t>();
  return value < 0 ? std::nullopt : std::optional{value};
}

std::string say(const Json& answer, const char* field) {
  if (!answer.is_object()) return {};
  const auto found = answer.find(field);
  if (found == answer.end() || !found->is_string()) return {};
  return found->get<std::string>().substr(0, text_bytes_max);
}

sdk::Task<sdk::Result<Json>> ask(sdk::Context ctx, std::string provider, sdk::HttpRequest request) {
  auto response = co_await ctx.http().send(request);
  if (!response) co_return response.failure();
  if (!response->ok()) co_return failure_of(Refusal{provider, *response});
  if (response->body.empty()) co_return Json::object();
  Json json = Json::parse(response->body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    co_return bad_answer(provider, "the body", "is not JSON, or has a number out of range");
  }
  if (!json.is_object()) co_return bad_answer(provider, "the body", "is no object");
  co_return json;
}

std::string percent_encode(std::string_view text, bool keeps_slash) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' ||
                          c == '_' || c == '~' || (c == '/' && keeps_slash);
    if (is_plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += "0123456789ABCDEF"[byte >> 4];
    out += "0123456789ABCDEF"[byte & 15];
  }
  return out;
}

}  // namespace fine_tuning
