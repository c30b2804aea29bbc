// SPDX-License-Identifier: Apache-2.0
// hello: the smallest useful plugin.
#include <cofounder/plugin.hpp>

namespace sdk = cofounder::sdk;

class Hello : public sdk::Plugin {
 public:
  Hello() { operation("greet", &Hello::greet); }

 private:
  sdk::Json greet(const sdk::Json& args) {
    return {{"greeting", "Hello, " + args.at("name").get<std::string>() + "!"}};
  }
};

COF_EXPORT_PLUGIN(Hello, R"({
  "id": "hello", "version": "1.0.0", "abi": "1.0", "summary": "Greets by name.",
  "interfaces": {"required": ["cof.call/1.0", "cof.error/1.0"]},
  "operations": [{"name": "greet", "summary": "Says hello.", "args":
    {"type": "object", "properties": {"name": {"type": "string", "minLength": 1}},
     "required": ["name"], "additionalProperties": false}}]
})");
