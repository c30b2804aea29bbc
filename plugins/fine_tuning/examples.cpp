// SPDX-License-Identifier: Apache-2.0
// What a line of each format has to look like.
#include "dataset.hpp"

#include <set>
#include <utility>

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

const Json* find(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

// An unknown key by name; empty: none.
std::string unknown_key(const Json& object, const std::string& at,
                        const std::set<std::string_view>& known) {
  for (const auto& [key, value] : object.items()) {
    if (!known.contains(key)) return at + ": unknown field \"" + key.substr(0, 100) + "\"";
  }
  return {};
}

bool is_text(const Json* value) {
  return value != nullptr && value->is_string() && !value->get_ref<const std::string&>().empty();
}
// A text, or the parts of one.
bool is_content(const Json* value) {
  if (is_text(value)) return true;
  if (value == nullptr || !value->is_array() || value->empty()) return false;
  for (const Json& part : *value) {
    if (!part.is_object() || !is_text(find(part, "type"))) return false;
    if (part.at("type") == "text" && !is_text(find(part, "text"))) return false;
  }
  return true;
}

std::string check_tool_calls(const Json& calls, const std::string& at) {
  if (!calls.is_array() || calls.empty()) return at + ".tool_calls: a list is wanted";
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const std::string where = at + ".tool_calls[" + std::to_string(i) + "]";
    const Json& call = calls[i];
    if (!call.is_object() || !is_text(find(call, "id"))) return where + ".id is missing";
    const Json* function = find(call, "function");
    if (function == nullptr || !function->is_object() || !is_text(find(*function, "name"))) {
      return where + ".function.name is missing";
    }
    const Json* arguments = find(*function, "arguments");
    if (arguments == nullptr || !arguments->is_string()) {
      return where + ".function.arguments: a text is wanted";
    }
  }
  return {};
}

std::string check_chat_message(const Json& message, const std::string& at) {
  if (!message.is_object()) return at + ": an object is wanted";
  const Json* role = find(message, "role");
  static const std::set<std::string> roles{"system", "developer", "user", "assistant", "tool", "function"};
  if (role == nullptr || !role->is_string() || !roles.contains(role->get<std::string>())) {
    return at + ".role: system, developer, user, assistant or tool is wanted";
  }
  const bool is_assistant = *role == "assistant";
  if (const Json* calls = find(message, "tool_calls")) {
    if (!is_assistant) return at + ".tool_calls: only an assistant has them";
    if (auto wrong = check_tool_calls(*calls, at); !wrong.empty()) return wrong;
  }
  const Json* content = find(message, "content");
  const bool may_lack = is_assistant && (message.contains("tool_calls") || message.contains("function_call"));
  const bool lacks = content == nullptr || content->is_null();
  if (lacks ? !may_lack : !is_content(content)) return at + ".content: a text is wanted";
  if (const Json* weight = find(message, "weight")) {
    if (!is_assistant) return at + ".weight: only an assistant has it";
    if (!weight->is_number_integer() || (*weight != 0 && *weight != 1)) return at + ".weight must be 0 or 1";
  }
  if (*role == "tool" && !is_text(find(message, "tool_call_id"))) return at + ".tool_call_id is missing";
  return {};
}

std::string check_messages(const Json* messages, const std::string& at) {
  if (messages == nullptr) return at + " is missing";
  if (!messages->is_array() || messages->empty()) return at + ": a list of messages is wanted";
  for (std::size_t i = 0; i < messages->size(); ++i) {
    auto wrong = check_chat_message((*messages)[i], at + "[" + std::to_string(i) + "]");
    if (!wrong.empty()) return wrong;
  }
  return {};
}

std::string check_tools(const Json& example, const std::string& at) {
  const Json* tools = find(example, "tools");
  if (tools == nullptr) return {};
  if (!tools->is_array()) return at + "tools: a list is wanted";
  for (const Json& tool : *tools) {
    const Json* function = tool.is_object() ? find(tool, "function") : nullptr;
    if (function == nullptr || !function->is_object() || !is_text(find(*function, "name"))) {
      return at + "tools: each has a function with a name";
    }
  }
  return {};
}

std::string check_openai_chat(const Json& example) {
  if (auto wrong = unknown_key(example, "the example",
                               {"messages", "tools", "parallel_tool_calls", "functions"});
      !wrong.empty() && example.contains("messages")) {
    return wrong;
  }
  const Json* messages = find(example, "messages");
  if (auto wrong = check_messages(messages, "messages"); !wrong.empty()) return wrong;
  if (messages->back().at("role") != "assistant") return "messages: the last one must be the assistant's";
  return check_tools(example, {});
}

std::string check_output(const Json& example, const char* name) {
  const Json* output = find(example, name);
  if (auto wrong = check_messages(output, name); !wrong.empty()) return wrong;
  if (output->size() != 1 || output->front().at("role") != "assistant") {
    return std::string{name} + ": exactly one message of the assistant is wanted";
  }
  return {};
}

std::string check_openai_dpo(const Json& example) {
  const Json* input = find(example, "input");
  if (input == nullptr || !input->is_object()) return "input is missing";
  if (auto wrong = check_messages(find(*input, "messages"), "input.messages"); !wrong.empty()) return wrong;
  if (auto wrong = check_tools(*input, "input."); !wrong.empty()) return wrong;
  if (auto wrong = check_output(example, "preferred_output"); !wrong.empty()) return wrong;
  if (auto wrong = check_output(example, "non_preferred_output"); !wrong.empty()) return wrong;
  return unknown_key(example, "the example", {"input", "preferred_output", "non_preferred_output"});
}

std::string check_bedrock_claude(const Json& example) {
  if (auto wrong = unknown_key(example, "the example", {"system", "messages"}); !wrong.empty()) return wrong;
  if (const Json* system = find(example, "system"); system != nullptr && !system->is_string()) {
    return "system: a text is wanted";
  }
  const Json* messages = find(example, "messages");
  if (messages == nullptr || !messages->is_array()) return "messages is missing";
  if (messages->size() < 2) return "messages: at least two are wanted";
  for (std::size_t i = 0; i < messages->size(); ++i) {
    const std::string at = "messages[" + std::to_string(i) + "]";
    const Json& message = (*messages)[i];
    if (!message.is_object()) return at + ": an object is wanted";
    const char* wanted = i % 2 == 0 ? "user" : "assistant";
    const Json* role = find(message, "role");
    if (role == nullptr || *role != wanted) {
      return at + ".role: user and assistant must alternate, " + wanted + " is wanted here";
    }
    if (!is_content(find(message, "content"))) return at + ".content: a text is wanted";
    if (auto wrong = unknown_key(message, at, {"role", "content"}); !wrong.empty()) return wrong;
  }
  if (messages->size() % 2 != 0) return "messages: the last one must be the assistant's";
  return {};
}

std::string check_parts(const Json& content, const std::string& at) {
  const Json* parts = content.is_object() ? find(content, "parts") : nullptr;
  if (parts == nullptr || !parts->is_array() || parts->empty()) return at + ".parts: a list is wanted";
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const Json& part = (*parts)[i];
    const bool is_right = part.is_object() && !part.empty() &&
                          (!part.contains("text") || part.at("text").is_string());
    if (!is_right) return at + ".parts[" + std::to_string(i) + "]: a text or file is wanted";
  }
  return {};
}

std::string check_vertex(const Json& example) {
  for (const char* name : {"systemInstruction", "system_instruction"}) {
    if (const Json* system = find(example, name)) {
      if (auto wrong = check_parts(*system, name); !wrong.empty()) return wrong;
    }
  }
  const Json* contents = find(example, "contents");
  if (contents == nullptr) return "contents is missing";
  if (!contents->is_array() || contents->empty()) return "contents: a list is wanted";
  for (std::size_t i = 0; i < contents->size(); ++i) {
    const std::string at = "contents[" + std::to_string(i) + "]";
    const Json& content = (*contents)[i];
    const Json* role = content.is_object() ? find(content, "role") : nullptr;
    if (role == nullptr || (*role != "user" && *role != "model")) return at + ".role: user or model is wanted";
    if (auto wrong = check_parts(content, at); !wrong.empty()) return wrong;
  }
  if (contents->back().at("role") != "model") return "contents: the last one must be the model's";
  return {};
}

}  // namespace

std::optional<Format> read_format(std::string_view name) {
  if (name == "openai-chat") return Format::openai_chat;
  if (name == "openai-dpo") return Format::openai_dpo;
  if (name == "bedrock-claude") return Format::bedrock_claude;
  if (name == "vertex") return Format::vertex;
  return std::nullopt;
}

std::string check_example(Format format, std::string_view line) {
  if (line.find_first_not_of(" \t") == std::string_view::npos) return "the line is blank";
  if (line.starts_with("\xEF\xBB\xBF")) return "a byte order mark is before it: JSON has none";
  const Json example = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (example.is_discarded()) {
    return "no JSON, or not all of it, or not in UTF-8: each line is an object of its own";
  }
  if (!example.is_object()) return "an object is wanted";
  switch (format) {
    case Format::openai_chat:
      return check_openai_chat(example);
    case Format::openai_dpo:
      return check_openai_dpo(example);
    case Format::bedrock_claude:
      return check_bedrock_claude(example);
    case Format::vertex:
      return check_vertex(example);
  }
  return "the format is unknown";
}

}  // namespace fine_tuning
