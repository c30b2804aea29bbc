// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "usage.hpp"

namespace huggingface {

// Chat gives messages, generate gives text; both come whole or as a stream of chunks.
enum class Kind { chat, text };

struct Completion {
  cofounder::sdk::Json message;        // of chat: {role, content, tool_calls?}
  std::string text;                    // of generate
  cofounder::sdk::Json finish_reason;  // a string, or null when the provider gave none
  std::optional<Usage> usage;
  std::string model;                   // who answered, in the provider's words; may be empty
};

// Of an answer that came whole.  Code "bad_answer" names the field, "provider_error" is an error
// object that came with status 200.
cofounder::sdk::Result<Completion> read_completion(Kind kind, const cofounder::sdk::Json& answer);

// Puts a completion together from the data of server-sent events.
//   "[DONE]" ends it, what follows is ignored; an event without data says nothing.
class CompletionStream {
 public:
  explicit CompletionStream(Kind kind) : kind_{kind} {}

  // The new text, often "".  Codes "bad_answer" (names the field), "provider_error" (an error
  // object in the stream), "answer_too_big".
  cofounder::sdk::Result<std::string> take(std::string_view data);
  bool is_done() const noexcept { return done_; }

  // What came, once the stream is over.  Code "stream_cut" (retryable) when it ended before a
  // finish reason or [DONE].
  cofounder::sdk::Result<Completion> finish() const;
  // Whether it may be taken as whole although its end did not come.
  bool is_finished() const noexcept { return done_ || !finish_reason_.is_null(); }
  const std::optional<Usage>& usage() const noexcept { return usage_; }

 private:
  struct ToolCall {
    std::string id, type, name, arguments;
  };
  cofounder::sdk::Result<std::string> take_choice(const cofounder::sdk::Json& choice);
  cofounder::sdk::Result<std::string> take_delta(const cofounder::sdk::Json& delta);
  std::optional<cofounder::sdk::Failure> take_tool_calls(const cofounder::sdk::Json& calls);

  Kind kind_;
  bool done_ = false;
  bool has_choice_ = false;
  std::string role_ = "assistant";
  std::string text_;
  std::string reasoning_;
  std::map<std::int64_t, ToolCall> tool_calls_;  // by index
  std::size_t tool_bytes_ = 0;                   // of their arguments
  cofounder::sdk::Json finish_reason_;
  std::optional<Usage> usage_;
  std::string model_;
};

}  // namespace huggingface
