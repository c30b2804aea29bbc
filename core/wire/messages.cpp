// SPDX-License-Identifier: Apache-2.0
#include "core/wire/messages.hpp"

#include "core/wire/codec.hpp"

#include <utility>

namespace cofounder::wire {
namespace {

constexpr std::uint64_t rules_max = 256;

void put_all(Writer& out, const std::vector<std::string>& all) {
  out.put(static_cast<std::uint32_t>(all.size()));
  for (const std::string& one : all) out.put(std::string_view{one});
}

std::vector<std::string> get_all(Reader& in) {
  std::uint32_t count = 0;
  in.get(count);
  if (count > rules_max) in.fail();
  std::vector<std::string> all;
  for (std::uint32_t i = 0; i < count && in.good(); ++i) {
    std::string_view one;
    in.get(one);
    all.emplace_back(one);
  }
  return all;
}

std::string get_text(Reader& in) {
  std::string_view text;
  in.get(text);
  return std::string{text};
}

template <class Message>
std::optional<Message> if_whole(const Reader& in, Message&& message) {
  if (!in.good() || !in.at_end()) return std::nullopt;
  return std::forward<Message>(message);
}

}  // namespace

std::string_view build() noexcept { return COFOUNDER_VERSION " wire 2"; }

std::string encode(const Begin& begin) {
  Writer out;
  out.put(std::string_view{begin.build});
  put_all(out, begin.read_execute);
  put_all(out, begin.read_write);
  out.put(static_cast<std::uint8_t>(begin.sandbox));
  return std::move(out.bytes);
}

std::optional<Begin> decode_begin(std::string_view bytes) {
  Arena arena;
  Reader in{bytes, arena};
  Begin begin;
  begin.build = get_text(in);
  begin.read_execute = get_all(in);
  begin.read_write = get_all(in);
  begin.sandbox = in.get_flag();
  return if_whole(in, std::move(begin));
}

std::string encode(const Load& load) {
  Writer out;
  for (const std::string* text : {&load.library, &load.shown, &load.plugin_id, &load.daemon_version}) {
    out.put(std::string_view{*text});
  }
  out(load.granted, load.threads);
  out.put(std::string_view{load.minors});
  return std::move(out.bytes);
}

std::optional<Load> decode_load(std::string_view bytes) {
  Arena arena;
  Reader in{bytes, arena};
  Load load;
  for (std::string* text : {&load.library, &load.shown, &load.plugin_id, &load.daemon_version}) {
    *text = get_text(in);
  }
  in(load.granted, load.threads);
  load.minors = get_text(in);
  return if_whole(in, std::move(load));
}

std::string encode(const Loaded& loaded) {
  Writer out;
  out(loaded.status, loaded.entries, loaded.code, loaded.text);
  return std::move(out.bytes);
}

std::optional<Loaded> decode_loaded(std::string_view bytes) {
  Arena arena;
  Reader in{bytes, arena};
  Loaded loaded;
  in(loaded.status, loaded.entries, loaded.code, loaded.text);
  return if_whole(in, std::move(loaded));
}

std::string encode(const Returned& returned) {
  Writer out;
  out.put(returned.status);
  out.put(static_cast<std::uint8_t>(returned.too_big));
  out.put(returned.result);
  return std::move(out.bytes);
}

std::optional<Returned> decode_returned(std::string_view bytes) {
  Arena arena;
  Reader in{bytes, arena};
  Returned returned;
  in.get(returned.status);
  returned.too_big = in.get_flag();
  in.get(returned.result);
  return if_whole(in, std::move(returned));
}

}  // namespace cofounder::wire
