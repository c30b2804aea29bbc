// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/ids.hpp"
#include "core/base/loop.hpp"
#include "core/http/server.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

// What happened lately, as server-sent events.  The newest ones are kept, so that a client that
// lost its connection can go on where it was; one that was away for too long, or reads too slowly,
// gets an event "gap" in their place.
//
// Numbers rise by one, also over restarts of the daemon (they begin at the start's wall time in
// microseconds).  On the loop only.
class EventStream {
 public:
  struct Options {
    std::size_t events_max = 16'384;   // kept
    std::size_t bytes_max = 8u << 20;  // kept
    std::size_t clients_max = 256;
    Milliseconds keep_alive{15'000};  // a comment line when nothing happened
  };
  struct Filter {
    TaskId task = 0;     // 0: any
    std::string plugin;  // empty: any
  };

  EventStream(Loop& loop, Clock& clock, Options options);
  ~EventStream();

  // `json` has to be JSON text.  Cheap: clients get it in one go with what else happens now.
  void publish(std::string type, std::string json, TaskId task, std::string plugin);

  // Streams the events after `since` that fit the filter; without it those from now on.
  void subscribe(http::Responder responder, std::optional<std::uint64_t> since, Filter filter);
  // Ends all streams, for the daemon is stopping.
  void close();

  std::uint64_t last_id() const noexcept { return first_id_ + events_.size() - 1; }
  std::size_t clients() const noexcept { return clients_.size(); }

 private:
  struct Event {
    std::string type;
    std::string json;
    TaskId task;
    std::string plugin;
    std::size_t bytes() const noexcept { return sizeof(Event) + type.size() + json.size(); }
  };
  struct Client {
    http::Responder responder;
    Filter filter;
    std::uint64_t next;       // the event that it gets next
    bool is_blocked = false;  // it reads slowly
    bool is_gone = false;
  };

  void pump_soon();
  void pump();
  void pump(Client& client);
  void keep_alive();

  Loop& loop_;
  Clock& clock_;
  Options options_;
  std::deque<Event> events_;
  std::uint64_t first_id_;
  std::size_t bytes_ = 0;
  // Shared with what the responders call when a client drains or goes away.
  std::vector<std::shared_ptr<Client>> clients_;
  bool is_pump_posted_ = false;
  TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what is posted
};

}  // namespace cofounder
