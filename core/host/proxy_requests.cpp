// SPDX-License-Identifier: Apache-2.0
#include "core/host/border.hpp"
#include "core/host/proxy.hpp"
#include "core/wire/codec.hpp"
#include "core/wire/trampolines.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

// What the child asks of the host services.
namespace cofounder::host {
namespace {

// Over this, what would lead to more replies is refused with COF_ELIMIT.
constexpr std::size_t waiting_bytes_max = 16u << 20;
constexpr int operations_open_max = 16'384;
// Requests that wait for a worker; a child has no more threads that could wait for them.
constexpr std::size_t works_max = 512;
constexpr std::size_t work_bytes_max = 256u << 20;
}  // namespace

void Proxy::on_request(wire::Incoming& incoming) {
  const wire::Header header = incoming.frame.header;
  const wire::Handler& handler = *wire::find_handler(header.interface, header.slot);
  const cof_host* const host = instance_.border();
  const std::string_view iid = handler.iid;
  const void* const table = host->query(host, to_cof(iid));
  if (table == nullptr) return broken(wire::Broken::not_granted);
  const bool large = handler.way != wire::Way::post && header.size > loop_bytes_max;
  if (takes_tag(handler.way) && (waiting_bytes_ > waiting_bytes_max ||
                                  instance_.operations_open() > operations_open_max)) {
    const wire::Broken why = handler.check(incoming.frame.arguments);
    return why == wire::Broken::no ? answer_status(header.sequence, COF_ELIMIT) : broken(why);
  }
  if (waits_for_disk(handler.way) || large) return serve_on_worker(incoming, table);
  std::string bytes;
  if (!handler.serve(table, host, incoming.frame.arguments, bytes)) {
    return broken(handler.check(incoming.frame.arguments));
  }
  if (header.sequence != 0) answer(header.sequence, bytes);
}

// [disk] functions may wait, so they are made on this plugin's own thread in the daemon; so are those
// with large arguments.  The child waits for the answer, so the order of each of its threads is kept.
void Proxy::serve_on_worker(wire::Incoming& incoming, const void* table) {
  struct Work {
    wire::Header header;
    std::string arguments;
    wire::Memory memory;
    Workers::Strand strand;
  };
  const auto work = std::make_shared<Work>();
  work->header = incoming.frame.header;
  const wire::Handler& handler = *wire::find_handler(work->header.interface, work->header.slot);
  const wire::Broken why = handler.check(incoming.frame.arguments);
  if (why != wire::Broken::no) return broken(why);
  if (works_ >= works_max || work_bytes_ + work->header.size > std::max<std::size_t>(work_bytes_max, work->header.size)) {
    return answer_status(work->header.sequence, COF_ELIMIT);
  }
  ++works_;
  work_bytes_ += work->header.size;
  // A reply must not overtake the handle that it belongs to.
  if (takes_tag(handler.way)) ++held_;
  if (work->header.in_memory == 1) {
    work->memory = std::move(incoming.memory);
  } else {
    work->arguments = incoming.frame.arguments;
  }
  instance_.workers().post(work->strand, [this, work, table, &handler] {
    const std::string_view arguments =
        work->header.in_memory == 1 ? work->memory.bytes() : std::string_view{work->arguments};
    std::string bytes;
    handler.serve(table, instance_.border(), arguments, bytes);
    instance_.post([this, header = work->header, bytes = std::move(bytes)]() mutable {
      served(header, bytes);
    });
  });
}

void Proxy::served(const wire::Header& header, std::string& answer_bytes) {
  --works_;
  work_bytes_ -= header.size;
  if (takes_tag(wire::find_handler(header.interface, header.slot)->way)) --held_;
  if (!finished_) answer(header.sequence, answer_bytes);
  wire::wipe(answer_bytes);
  if (!finished_) send_waiting();
}

void Proxy::answer(std::uint64_t sequence, std::string_view bytes) {
  if (finished_) return;
  wire::Header header;
  header.kind = wire::Kind::answer;
  header.sequence = sequence;
  if (!link_->send(header, bytes)) answer_status(sequence, COF_EUNAVAILABLE);
}

void Proxy::answer_status(std::uint64_t sequence, std::int32_t status) {
  wire::Header header;
  header.kind = wire::Kind::answer;
  header.sequence = sequence;
  std::string bytes(sizeof status, '\0');
  std::memcpy(bytes.data(), &status, sizeof status);
  link_->send(header, bytes);
}

}  // namespace cofounder::host
