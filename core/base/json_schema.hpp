// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/json.hpp"

#include <memory>
#include <string>

namespace cofounder::json {

// Checks values against a JSON Schema, compiled once.  The part of the language that manifests
// need: type, properties, required, additionalProperties, items, enum, const, minimum, maximum,
// minLength, maxLength, minItems, maxItems, pattern (ECMAScript, at most 256 characters), anyOf,
// oneOf, default, description, title, format (ignored), x-... (ignored).  Any other keyword is an
// error when the schema is compiled, so that a manifest cannot promise a check that nobody makes.
class Schema {
 public:
  // Code "invalid_schema"; the message names the place.
  static Result<Schema> compile(View schema);

  // Nothing when the value fits; else an error with code "invalid_args" whose message names the
  // field ("args.tags[2] must be a string").  `name` is what the value is called in it.
  std::optional<Error> check(View value, std::string_view name = "args") const;

  // The text of `value` with the defaults of absent properties filled in, at every depth.
  std::string with_defaults(View value) const;

  struct Node;
  explicit Schema(std::shared_ptr<const Node> root) : root_{std::move(root)} {}

 private:
  std::shared_ptr<const Node> root_;
};

}  // namespace cofounder::json
