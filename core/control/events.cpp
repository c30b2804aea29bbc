// SPDX-License-Identifier: Apache-2.0
#include "core/control/events.hpp"

#include <algorithm>

namespace cofounder {

namespace {

// A line end inside of JSON is white space, but it would end a field of the event.
void keep_on_one_line(std::string& text) {
  for (const char end : {'\n', '\r'}) {
    if (text.find(end) != std::string::npos) std::replace(text.begin(), text.end(), end, ' ');
  }
}

void append_event(std::string& out, std::uint64_t id, std::string_view type,
                  std::string_view json) {
  out += "id: ";
  out += std::to_string(id);
  out += "\nevent: ";
  out += type;
  out += "\ndata: ";
  out += json;
  out += "\n\n";
}

constexpr std::size_t piece_bytes = 32u << 10;

}  // namespace

EventStream::EventStream(Loop& loop, Clock& clock, Options options)
    : loop_{loop},
      clock_{clock},
      options_{options},
      first_id_{static_cast<std::uint64_t>(clock.now().time_since_epoch().count()) * 1000 + 1} {}

EventStream::~EventStream() {
  if (timer_ != 0) clock_.cancel(timer_);
  *alive_ = false;
}

void EventStream::publish(std::string type, std::string json, TaskId task, std::string plugin) {
  keep_on_one_line(type);
  keep_on_one_line(json);
  events_.push_back({std::move(type), std::move(json), task, std::move(plugin)});
  bytes_ += events_.back().bytes();
  while (events_.size() > options_.events_max ||
         (bytes_ > options_.bytes_max && events_.size() > 1)) {
    bytes_ -= events_.front().bytes();
    events_.pop_front();
    ++first_id_;
  }
  if (!clients_.empty()) pump_soon();
}

void EventStream::subscribe(http::Responder responder, std::optional<std::uint64_t> since,
                            Filter filter) {
  if (clients_.size() >= options_.clients_max) {
    auto error = make_error("too_many_streams", "too many clients follow the events", true);
    error.retry_after = Milliseconds{5'000};
    return responder.send_error(503, error);
  }
  http::ServerResponse head;
  head.content_type = "text/event-stream";
  head.headers = {{"Cache-Control", "no-store"}};
  responder.begin_stream(std::move(head));
  const std::uint64_t newest = last_id();
  // A number from the future is one of a daemon whose clock was ahead: as unknown as an old one.
  std::uint64_t next = newest + 1;
  if (since) next = *since == 0 ? first_id_ : *since > newest ? 1 : *since + 1;
  auto client = std::make_shared<Client>(Client{std::move(responder), std::move(filter), next});
  client->responder.on_gone([client, this, alive = alive_] {
    client->is_gone = true;
    if (*alive) std::erase(clients_, client);
  });
  client->responder.on_drain([client, this, alive = alive_] {
    client->is_blocked = false;
    if (*alive) pump(*client);
  });
  clients_.push_back(client);
  client->responder.write("retry: 1000\n: " + std::to_string(newest) + " is the newest\n\n");
  pump(*client);
  if (timer_ == 0) keep_alive();
}

void EventStream::close() {
  for (const auto& client : clients_) {
    client->responder.on_gone(nullptr);
    client->responder.on_drain(nullptr);
    client->responder.end_stream();
  }
  clients_.clear();
}

void EventStream::pump_soon() {
  if (std::exchange(is_pump_posted_, true)) return;
  loop_.post([this, alive = alive_] {
    if (!*alive) return;
    is_pump_posted_ = false;
    pump();
  });
}

void EventStream::pump() {
  for (const auto& client : clients_) pump(*client);
}

void EventStream::pump(Client& client) {
  if (client.is_blocked || client.is_gone) return;
  std::string out;
  if (client.next < first_id_) {
    append_event(out, first_id_ - 1, "gap",
                 "{\"since\":" + std::to_string(client.next - 1) +
                     ",\"first\":" + std::to_string(first_id_) + "}");
    client.next = first_id_;
  }
  for (; client.next <= last_id(); ++client.next) {
    const Event& event = events_[client.next - first_id_];
    if (client.filter.task != 0 && client.filter.task != event.task) continue;
    if (!client.filter.plugin.empty() && client.filter.plugin != event.plugin) continue;
    append_event(out, client.next, event.type, event.json);
    if (out.size() < piece_bytes) continue;
    const bool keeps_up = client.responder.write(out);
    out.clear();
    if (!keeps_up) {
      client.is_blocked = true;
      ++client.next;
      return;
    }
  }
  if (!out.empty() && !client.responder.write(out)) client.is_blocked = true;
}

// Shows clients and the proxies between that the connection lives, and us that the client does.
void EventStream::keep_alive() {
  timer_ = clock_.call_after(options_.keep_alive, [this] {
    timer_ = 0;
    for (const auto& client : clients_) {
      if (!client->is_blocked) client->responder.write(":\n\n");
    }
    if (!clients_.empty()) keep_alive();
  });
}

}  // namespace cofounder
