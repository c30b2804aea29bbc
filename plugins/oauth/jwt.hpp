// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Signed tokens (RFC 7515, 7517, 7518, 8037), as far as an OpenID provider uses them.
namespace oauth {

// The public keys of a provider.  What is of no use for a signature that we know is left out.
class KeySet {
 public:
  // Code "bad_answer" for what is no key set.
  static cofounder::sdk::Result<KeySet> parse(std::string_view text);

  // The keys that may have made a signature with this algorithm and key id; without a key id those
  // of the right kind.
  struct Key;
  std::vector<std::shared_ptr<const Key>> find(std::string_view algorithm,
                                               const std::optional<std::string>& key_id) const;

 private:
  std::vector<std::shared_ptr<const Key>> keys_;
};

struct Jwt {
  cofounder::sdk::Json header;
  cofounder::sdk::Json claims;
  std::string algorithm;
  std::optional<std::string> key_id;
  std::string signed_text;
  std::string signature;
};

// Nothing in it is to be believed before has_valid_signature().  Code "bad_id_token".
cofounder::sdk::Result<Jwt> parse_jwt(std::string_view token);
bool has_valid_signature(const Jwt& jwt, const KeySet::Key& key);

// What an id_token has to say.
struct TokenExpectation {
  std::string issuer;      // may have {tenantid}, which the claim tid replaces
  std::string client_id;
  std::optional<std::string> nonce;
  std::string access_token;  // for at_hash, when it is there
  std::int64_t now_s = 0;
};

// Code "bad_id_token", and the claim's name in the message.
cofounder::sdk::Result<void> check_claims(const Jwt& jwt, const TokenExpectation& wanted);

}  // namespace oauth
