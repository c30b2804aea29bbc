// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/command.hpp"
#include "core/ctl/table.hpp"

#include <ostream>

namespace cofounder::ctl {
namespace {

int list(Session& session, const Given&) {
  Request request;
  request.target = "/v1/nodes";
  const Answer answer = ask(session, request);
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document document = parse_body(answer);
  print_list(session.out, list_of(document.root(), "nodes"),
             {{"NAME", "/name"},
              {"STATE", "/state"},
              {"RUNNING", "/running"},
              {"VERSION", "/version"},
              {"STARTED", "/started_at"},
              {"SEEN", "/seen_at"},
              {"SELF", "/self"}},
             wall_now());
  return exit_code::ok;
}

}  // namespace

std::vector<Command> node_commands() {
  return {
      {"node", "the daemons that share the store", {}, {}, "", nullptr},
      {"node list",
       "list them: up, stopped, or lost when one was not seen for too long",
       {},
       {},
       "Example:\n  cofounderctl node list",
       list},
  };
}

}  // namespace cofounder::ctl
