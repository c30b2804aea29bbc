// SPDX-License-Identifier: Apache-2.0
#include "core/http/client_curl.hpp"
#include "core/http/client_parts.hpp"

namespace cofounder::http {

Failure classify_curl(int code, bool sent) noexcept {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
      return Failure::never_sent;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CLIENTCERT:
      return Failure::tls_identity;
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_NO_CONNECTION_AVAILABLE:
    case CURLE_SSL_SHUTDOWN_FAILED:
      return sent ? Failure::maybe_processed : Failure::never_sent;
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_OUT_OF_MEMORY:  // of libcurl's own limits, for instance of one header line
      return Failure::too_big;
    default:
      return Failure::protocol;
  }
}

Error make_curl_error(int code, Failure failure, const Target& target, std::string_view detail) {
  Error error;
  const std::string to = " (" + target.host + ")";
  const std::string text{curl().easy_strerror(static_cast<CURLcode>(code))};
  // libcurl's longer text names hosts, addresses and what a certificate lacks; that of other
  // failures may quote what the server sent.
  const std::string long_text = (detail.empty() ? text : std::string{detail}) + to;
  switch (failure) {
    case Failure::tls_identity:
      error = make_error("tls_failed", long_text);
      error.hint = "check the server's certificate, its name and the CA file";
      break;
    case Failure::never_sent:
      if (code == CURLE_OPERATION_TIMEDOUT) {
        error = make_error("timed_out", "no connection within the connect time limit" + to);
      } else {
        error = make_error(code == CURLE_SSL_CONNECT_ERROR ? "tls_failed" : "connect_failed",
                           long_text);
      }
      break;
    case Failure::maybe_processed:
      error =
          make_error(code == CURLE_OPERATION_TIMEDOUT ? "timed_out" : "connection_lost", text + to);
      break;
    case Failure::too_big:
      error = make_error("response_too_big", "the answer's head is too big" + to);
      break;
    case Failure::protocol:
    case Failure::local:
      error = make_error("protocol_error", text + to);
      break;
  }
  return error;
}

}  // namespace cofounder::http
