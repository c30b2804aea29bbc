// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/aws_signature.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <map>

namespace simulator {
namespace {

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string hexadecimal(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    out += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::string hmac(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(), digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string encode(std::string_view text, bool keeps_slash) {
  std::string out;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          std::string_view{"-._~"}.find(c) != std::string_view::npos || (keeps_slash && c == '/');
    if (is_plain) {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4];
      out += "0123456789ABCDEF"[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char by) {
  std::vector<std::string> words;
  for (;;) {
    const auto end = text.find(by);
    words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return words;
    text.remove_prefix(end + 1);
  }
}

// Sorted by name and value, both encoded.
std::string canonical_query(const std::string& query) {
  if (query.empty()) return {};
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& one : split(query, '&')) {
    if (one.empty()) continue;
    const auto equals = one.find('=');
    const std::string value = equals == std::string::npos ? "" : one.substr(equals + 1);
    pairs.emplace_back(encode(percent_decode(one.substr(0, equals)).value_or(""), false),
                       encode(percent_decode(value).value_or(""), false));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [name, value] : pairs) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

// Runs of blanks count as one.
std::string canonical_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

struct Authorization {
  std::vector<std::string> scope;  // key, day, region, service, aws4_request
  std::vector<std::string> signed_names;
  std::string signature;
};

std::optional<Authorization> parse_authorization(std::string_view text) {
  constexpr std::string_view scheme = "AWS4-HMAC-SHA256 ";
  if (!text.starts_with(scheme)) return std::nullopt;
  Authorization out;
  for (std::string part : split(text.substr(scheme.size()), ',')) {
    part.erase(0, part.find_first_not_of(' '));
    const auto equals = part.find('=');
    if (equals == std::string::npos) return std::nullopt;
    const std::string value = part.substr(equals + 1);
    const std::string name = part.substr(0, equals);
    if (name == "Credential") out.scope = split(value, '/');
    if (name == "SignedHeaders") out.signed_names = split(value, ';');
    if (name == "Signature") out.signature = value;
  }
  if (out.scope.size() != 5 || out.scope[4] != "aws4_request" || out.signed_names.empty() || out.signature.size() != 64) return std::nullopt;
  return out;
}

std::optional<std::int64_t> seconds_of(const std::string& date) {
  std::tm parts{};
  const char* end = ::strptime(date.c_str(), "%Y%m%dT%H%M%SZ", &parts);
  if (date.size() != 16 || end == nullptr || *end != '\0') return std::nullopt;
  return ::timegm(&parts);
}

// The services call the same mistakes by names of their own.
AwsRefusal refusal(bool is_s3, const char* kind) {
  static const std::map<std::string, std::array<AwsRefusal, 2>> known{
      {"missing", {{{403, "MissingAuthenticationTokenException", "Missing Authentication Token"}, {403, "AccessDenied", "Access Denied"}}}},
      {"malformed", {{{400, "IncompleteSignatureException", "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters."},
                      {400, "AuthorizationHeaderMalformed", "The authorization header is malformed."}}}},
      {"key", {{{403, "UnrecognizedClientException", "The security token included in the request is invalid."},
                {403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."}}}},
      {"scope", {{{403, "InvalidSignatureException", "Credential should be scoped to a valid region and service."},
                  {400, "AuthorizationHeaderMalformed", "The authorization header is malformed; the region or service is wrong."}}}},
      {"time", {{{403, "InvalidSignatureException", "Signature expired or not yet current."},
                 {403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."}}}},
      {"unsigned", {{{403, "InvalidSignatureException", "Headers that are present must be signed."},
                     {403, "AccessDenied", "There were headers present in the request which were not signed"}}}},
      {"signature", {{{403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. "
                       "Check your AWS Secret Access Key and signing method."},
                      {403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. "
                       "Check your key and signing method."}}}}};
  return known.at(kind)[is_s3 ? 1 : 0];
}

// What has to be signed and is not.
bool lacks_signed_names(const Request& request, const std::vector<std::string>& names) {
  const auto has = [&](const std::string& name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  for (const auto& [name, value] : request.headers) {
    if ((name.starts_with("x-amz-") || name == "host") && !has(name)) return true;
  }
  return !has("host") || !std::is_sorted(names.begin(), names.end());
}

}  // namespace

std::string sha256_hex(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr);
  return hexadecimal({reinterpret_cast<const char*>(digest.data()), size});
}

std::string aws_time(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return text;
}

std::string aws_signature(const Request& request, const AwsAccount& account, const std::string& service,
                          const std::vector<std::string>& signed_names) {
  const bool is_s3 = service == "s3";
  std::string lines;
  std::string names;
  for (const std::string& name : signed_names) {
    lines += name + ":" + canonical_value(request.header(name)) + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  // Paths are encoded twice, but for S3.
  const std::string path = encode(is_s3 ? percent_decode(request.path).value_or("") : request.path, true);
  const std::string payload = is_s3 ? std::string{request.header("x-amz-content-sha256")} : sha256_hex(request.body);
  const std::string canonical = request.method + "\n" + path + "\n" + canonical_query(request.query) + "\n" + lines + "\n" + names + "\n" + payload;
  const std::string date{request.header("x-amz-date")};
  const std::string scope = date.substr(0, 8) + "/" + account.region + "/" + service + "/aws4_request";
  const std::string text = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" + sha256_hex(canonical);
  std::string key = hmac("AWS4" + account.secret, date.substr(0, 8));
  for (const std::string& part : {account.region, service, std::string{"aws4_request"}}) key = hmac(key, part);
  return hexadecimal(hmac(key, text));
}

std::optional<AwsRefusal> check_aws_signature(const Request& request, const AwsAccount& account,
                                              const std::string& service, std::int64_t now) {
  const bool is_s3 = service == "s3";
  if (request.header("authorization").empty()) return refusal(is_s3, "missing");
  const auto given = parse_authorization(request.header("authorization"));
  if (!given) return refusal(is_s3, "malformed");
  if (given->scope[0] != account.key_id) return refusal(is_s3, "key");
  if (request.header("x-amz-security-token") != account.session_token) return refusal(is_s3, "key");
  const std::string date{request.header("x-amz-date")};
  const auto seconds = seconds_of(date);
  if (!seconds) return refusal(is_s3, "malformed");
  if (given->scope[1] != date.substr(0, 8) || given->scope[2] != account.region || given->scope[3] != service) {
    return refusal(is_s3, "scope");
  }
  const std::int64_t most = is_s3 ? 900 : 300;
  if (*seconds < now - most || *seconds > now + most) return refusal(is_s3, "time");
  if (lacks_signed_names(request, given->signed_names)) return refusal(is_s3, "unsigned");
  if (is_s3 && request.header("x-amz-content-sha256").empty()) {
    return AwsRefusal{400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"};
  }
  if (aws_signature(request, account, service, given->signed_names) != given->signature) return refusal(is_s3, "signature");
  if (is_s3 && request.header("x-amz-content-sha256") != sha256_hex(request.body)) {
    return AwsRefusal{400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."};
  }
  return std::nullopt;
}

}  // namespace simulator
