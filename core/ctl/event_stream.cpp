// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/event_stream.hpp"

#include "core/ctl/table.hpp"
#include "core/ctl/wait.hpp"

#include <ostream>

namespace cofounder::ctl {

void read_events(Session& session, const std::string& target, Milliseconds silence_max,
                 const std::function<bool(const http::SseEvent&)>& sink,
                 const std::function<bool()>& silence) {
  http::SseReader reader;
  std::optional<Error> broken;
  StreamSink stream;
  stream.piece = [&](std::string_view piece) {
    bool go_on = true;
    broken = reader.feed(piece, [&](const http::SseEvent& event) {
      if (go_on) go_on = sink(event);
    });
    return go_on && !broken;
  };
  stream.silence = silence;
  Request request;
  request.target = target;
  request.accept = "text/event-stream";
  request.silence_max = silence_max;
  const Result<Answer> answer = session.http.stream(request, stream);
  if (!answer) throw Failure{exit_code_of(answer.error()), answer.error(), {}};
  if (!answer->is_success()) throw failure_of(*answer);
  if (broken) throw Failure{exit_code::failed, *broken, {}};
}

void print_event(Session& session, const http::SseEvent& event) {
  const std::string type = event.name.empty() ? "message" : event.name;
  const auto data = json::parse(event.data);
  if (session.json) {
    json::Writer out;
    out.begin_object().member("id", event.id).member("type", type);
    if (data) {
      out.member_raw("data",
                     event.data.find('\n') == std::string::npos ? event.data : data->root().text());
    } else {
      out.member("data", event.data);
    }
    out.end_object();
    session.out << out.text() << std::endl;
    return;
  }
  std::string text = printable(event.id) + "  " + printable(type);
  if (data && data->root().is_object()) {
    const json::View root = data->root();
    for (std::size_t i = 0; i < root.size(); ++i) {
      if (root.at(i).is_null()) continue;
      const auto string = root.at(i).as_string();
      text += "  " + printable(root.key_at(i)) + "=" +
              printable(string ? std::string{*string} : root.at(i).text());
    }
  } else {
    text += "  " + printable(event.data);
  }
  session.out << text << std::endl;
}

int watch_task(Session& session, const std::string& id, const std::function<Answer()>& get) {
  const Given for_ever;
  const Patience none{for_ever, "timeout"};
  const auto over = [](const Answer& answer) {
    const json::Document document = parse_body(answer);
    return is_over(document.root().string_or("state", ""));
  };
  Answer last = get();
  // The task may end between the first look and the start of the stream, so that no event would
  // say so: look again whenever the stream is silent, and after events that may be the last.
  if (!over(last)) {
    read_events(
        session, "/v1/events?task=" + encode(id), Milliseconds{2'000},
        [&](const http::SseEvent& event) {
          print_event(session, event);
          const auto data = json::parse(event.data);
          if (!data || !is_over(data->root().string_or("state", ""))) return true;
          last = get();
          return !over(last);
        },
        [&] {
          last = get();
          return !over(last);
        });
  }
  return wait_for_task(session, std::move(last), none);
}

}  // namespace cofounder::ctl
