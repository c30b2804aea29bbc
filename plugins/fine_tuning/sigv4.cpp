// SPDX-License-Identifier: Apache-2.0
#include "sigv4.hpp"

#include <ctime>

#include "answer.hpp"
#include "crypto.hpp"

namespace fine_tuning {

std::string aws_query(const std::map<std::string, std::string>& query) {
  // Sorted by the encoded names; nothing that is encoded comes before what is not, for the names in
  // use are letters.
  std::string text;
  for (const auto& [name, value] : query) {
    text += text.empty() ? '?' : '&';
    text += percent_encode(name) + "=" + percent_encode(value);
  }
  return text;
}

std::string aws_date(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  return text;
}

void sign_aws(const AwsCredentials& credentials, AwsRequest& request) {
  const bool is_s3 = request.service == "s3";
  request.headers["x-amz-date"] = request.date;
  if (!credentials.session_token.empty()) request.headers["x-amz-security-token"] = credentials.session_token;
  if (is_s3) request.headers["x-amz-content-sha256"] = request.payload_sha256;
  std::string signed_names;
  std::string lines;
  for (const auto& [name, value] : request.headers) {
    signed_names += (signed_names.empty() ? "" : ";") + name;
    lines += name + ":" + value + "\n";
  }
  // The path is encoded once more, but for S3.
  const std::string path = is_s3 ? request.path : percent_encode(request.path, /*keeps_slash=*/true);
  const std::string query = aws_query(request.query);
  const std::string canonical = request.method + "\n" + path + "\n" +
                                (query.empty() ? query : query.substr(1)) + "\n" + lines + "\n" +
                                signed_names + "\n" + request.payload_sha256;
  const std::string day = request.date.substr(0, 8);
  const std::string scope = day + "/" + request.region + "/" + request.service + "/aws4_request";
  const std::string text =
      "AWS4-HMAC-SHA256\n" + request.date + "\n" + scope + "\n" + hexadecimal(sha256(canonical));
  std::string key = hmac_sha256("AWS4" + credentials.secret_access_key, day);
  for (const std::string& part : {request.region, request.service, std::string{"aws4_request"}}) {
    key = hmac_sha256(key, part);
  }
  request.headers["authorization"] = "AWS4-HMAC-SHA256 Credential=" + credentials.access_key_id + "/" +
                                     scope + ", SignedHeaders=" + signed_names +
                                     ", Signature=" + hexadecimal(hmac_sha256(key, text));
}

}  // namespace fine_tuning
