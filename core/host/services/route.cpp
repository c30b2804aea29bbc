// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/header_lines.hpp"
#include "core/host/services/service.hpp"

#include <cofounder/services/route.h>

#include <vector>

namespace cofounder::host {
namespace {

constexpr std::int64_t waiting_bytes_max = 256 * 1024;  // of a call, not yet read by the client

// COF_OK and the call when it answers a request.
std::int32_t find_route(const Instance& instance, std::uint64_t call_id,
                        std::shared_ptr<Call>& call) {
  call = entered_call(instance, call_id);
  if (call == nullptr) return COF_EGONE;
  return call->route == nullptr ? COF_EINVALID : COF_OK;
}

int32_t respond(const cof_host* host, uint64_t call_id, int32_t http_status,
                cof_str given) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view text;
    HeaderLines headers;
    std::shared_ptr<Call> call;
    if (http_status < 100 || http_status > 599) return COF_EINVALID;
    if (const auto status = take_text(given, text); status != COF_OK) return status;
    if (const auto status = first_of(
            {take_header_lines(text, headers), find_route(instance, call_id, call)});
        status != COF_OK) {
      return status;
    }
    const std::lock_guard guard{call->route->mutex};
    if (call->route->streaming) return COF_EGONE;  // the head is on its way
    call->route->status = http_status;
    call->route->headers = std::move(headers);
    return COF_OK;
  });
}

// What was handed to a client that reads too slowly; loop.
struct Held {
  std::int64_t bytes = 0;
  std::vector<std::shared_ptr<Answer>> answers;
};

void drained(RouteSide& route, Held& held) {
  route.slow = false;
  route.bytes_waiting -= std::exchange(held.bytes, 0);
  for (const auto& answer : std::exchange(held.answers, {})) answer->give(Reply{});
}

// Loop: hands the piece on; the answer comes when there is room for the next.
void send_on_loop(Instance& instance, const std::shared_ptr<Call>& call, const std::string& piece,
                  const std::shared_ptr<Answer>& answer) {
  RouteSide& route = *call->route;
  const auto size = static_cast<std::int64_t>(piece.size());
  route.send_head(200, "application/json");
  if (route.sink.piece(piece)) {
    route.bytes_waiting -= size;
    answer->give(Reply{});
    return;
  }
  if (!route.slow.exchange(true) || !route.on_drain) {
    auto held = std::make_shared<Held>();
    route.held = held;
    route.on_drain = [&route, held] { drained(route, *held); };
  }
  const auto held = std::static_pointer_cast<Held>(route.held);
  held->bytes += size;
  held->answers.push_back(answer);
  instance.on_cancel(answer->operation(),
                     [answer] { answer->give(Reply::failure(COF_ECANCELLED)); });
}

int32_t send(const cof_host* host, uint64_t call_id, cof_bytes given, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view piece;
    std::shared_ptr<Call> call;
    if (const auto status = first_of({take_bytes(given, piece, COF_TEXT_BYTES_MAX),
                                      find_route(instance, call_id, call)});
        status != COF_OK) {
      return status;
    }
    if (call->cancel_reason == COF_CANCEL_REQUESTED) return COF_EGONE;  // the client is away
    RouteSide& route = *call->route;
    if (route.slow || route.bytes_waiting >= waiting_bytes_max) return COF_ELIMIT;
    auto operation = instance.begin(call_id, tag);
    if (operation == nullptr) return COF_EGONE;
    {
      const std::lock_guard guard{route.mutex};
      route.streaming = true;
    }
    route.bytes_waiting += static_cast<std::int64_t>(piece.size());
    auto answer = std::make_shared<Answer>(instance, std::move(operation));
    instance.post([&instance, call, answer, piece = std::string{piece}] {
      send_on_loop(instance, call, piece, answer);
    });
    return COF_OK;
  });
}

}  // namespace

const void* route_table() noexcept {
  static const cof_route_service table{sizeof(cof_route_service), 0, respond, send};
  return &table;
}

}  // namespace cofounder::host
