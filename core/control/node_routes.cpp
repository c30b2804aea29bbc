// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/control/handlers.hpp"

namespace cofounder {

namespace {

std::string_view to_string(NodeStore::Node::State state) noexcept {
  switch (state) {
    case NodeStore::Node::State::up:
      return "up";
    case NodeStore::Node::State::stopped:
      return "stopped";
    case NodeStore::Node::State::lost:
      return "lost";
  }
  return "lost";
}

std::string nodes_json(const ControlContext& context, const std::vector<NodeStore::Node>& nodes) {
  json::Writer out;
  out.begin_object().key("nodes").begin_array();
  for (const NodeStore::Node& node : nodes) {
    out.begin_object().member("name", node.name).member("state", to_string(node.state));
    out.member("self", node.name == context.ports.node).member("running", node.running);
    out.member("version", node.version).member("started_at", to_rfc3339(node.started_at));
    out.member("seen_at", to_rfc3339(node.seen_at)).end_object();
  }
  out.end_array().end_object();
  return out.take();
}

}  // namespace

void get_nodes(ControlContext& context, RequestCall call) {
  if (context.ports.nodes == nullptr) {
    // The store is this daemon's alone.
    NodeStore::Node self;
    self.name = context.ports.node;
    self.version = context.ports.version;
    self.started_at = context.started_at;
    self.seen_at = context.now();
    self.running = static_cast<std::int64_t>(context.ports.scheduler.running_count());
    return send_json(call.responder, 200, nodes_json(context, {self}));
  }
  context.ports.nodes->nodes([&context, responder = std::move(call.responder)](
                                 Result<std::vector<NodeStore::Node>> nodes) mutable {
    if (!nodes) return send_error(responder, nodes.error());
    send_json(responder, 200, nodes_json(context, *nodes));
  });
}

}  // namespace cofounder
