// SPDX-License-Identifier: Apache-2.0
// The JSON of clients: tasks, schedules, and arguments against a schema.
#include "core/base/json.hpp"
#include "core/base/json_schema.hpp"
#include "core/control/schedule_json.hpp"
#include "core/control/task_check.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

const cofounder::json::Schema& schema() {
  using namespace cofounder;
  static const auto document = json::parse(R"({"type": "object", "additionalProperties": false,
    "required": ["op"], "properties": {
      "op": {"type": "string", "pattern": "^[a-z]+[.][a-z_]+$", "maxLength": 64},
      "args": {"type": "object", "properties": {"file": {"type": "string", "minLength": 1},
        "n": {"type": "integer", "minimum": 0, "maximum": 10, "default": 3}}},
      "tags": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}, "maxItems": 4}}})");
  static const auto compiled = json::Schema::compile(document->root());
  return *compiled;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cofounder;
  const auto document = json::parse(fuzz::text_of(data, size));
  if (!document) return 0;
  const json::View root = document->root();
  const std::string text = root.text();
  const auto again = json::parse(text);
  fuzz::require(again.has_value(), "what is written can be read");
  fuzz::require(again->root().text() == text, "and is written so again");

  const Time now{Milliseconds{1'790'000'000'000}};
  if (const auto task = parse_task(root, now)) {
    fuzz::require(task->run_at >= now - Milliseconds{std::int64_t{1} << 62}, "a time is one");
  }
  (void)parse_schedule("nightly", root);
  (void)uploads_in(text);
  if (!schema().check(root)) {
    const std::string filled = schema().with_defaults(root);
    const auto full = json::parse(filled);
    fuzz::require(full && !schema().check(full->root()), "defaults keep to the schema");
  }
  // A schema of a plugin is input, too.
  if (const auto own = json::Schema::compile(root)) (void)own->check(root);
  return 0;
}
