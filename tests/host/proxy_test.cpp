// SPDX-License-Identifier: Apache-2.0
#include "core/host/files.hpp"
#include "core/host/metric_registry.hpp"
#include "core/host/proxy.hpp"
#include "core/store/stores.hpp"
#include "core/wire/codec.hpp"
#include "core/wire/trampolines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

// The daemon's side of an isolated plugin, with a test in the child's place.
namespace cofounder::host {
namespace {

using testing::HasSubstr;
using wire::Kind;

struct Fate {
  bool killed = false;
  bool terminated = false;
  UniqueFunction<void(const ChildEnd&)> on_exit;
};
class FakeChild : public ChildProcess {
 public:
  explicit FakeChild(std::shared_ptr<Fate> fate) : fate_{std::move(fate)} {}
  int pid() const noexcept override { return 4711; }
  void kill() noexcept override { fate_->killed = true; }
  void terminate() override { fate_->terminated = true; }
  void on_exit(UniqueFunction<void(const ChildEnd&)> action) override {
    fate_->on_exit = std::move(action);
  }

 private:
  std::shared_ptr<Fate> fate_;
};
class FakeStarter : public ChildStarter {
 public:
  FakeStarter(Loop& loop, std::shared_ptr<Fate> fate) : loop_{loop}, fate_{std::move(fate)} {}
  void start(ChildOrder order, Started started) override {
    socket = std::move(order.socket);
    loop_.post([fate = fate_, started = std::move(started)]() mutable {
      started(Result<std::unique_ptr<ChildProcess>>{std::make_unique<FakeChild>(fate)});
    });
  }
  wire::Descriptor socket;

 private:
  Loop& loop_;
  std::shared_ptr<Fate> fate_;
};

Manifest a_manifest() {
  Manifest manifest;
  manifest.id = "x";
  manifest.version = "1.0.0";
  manifest.required = {"cof.call/1.0", "cof.log/1.0", "cof.kv/1.0", "cof.timer/1.0"};
  return manifest;
}

// A child as the test plays it, behind one Instance.
class World {
 public:
  World()
      : stores{make_memory_store(loop, loop.clock())},
        http{loop, {}},
        ports{*stores.owner, stores.values, stores.usage, http, {}, {}, {}, {}, {}, {}, {}},
        files{config},
        world{loop, ports, files, metrics, "1.0.0", {}},
        starter{loop, fate},
        instance{*new Instance{world, a_manifest(), std::make_shared<PluginConfig>(),
                               Instance::Isolation::process}} {
    kept().push_back(&instance);
    proxy().on_lost = [this](const Error& why, int) { lost = why; };
    proxy().load(starter, "", {}, {}, [this](std::optional<Error> error) { loaded = std::move(error); });
    turn();
  }
  ~World() {
    proxy().on_lost = nullptr;
    proxy().close();
    instance.end_own_call();
    instance.set_gone();
    turn();
    instance.workers().close();
    instance.detach();
  }

  Proxy& proxy() { return *instance.proxy(); }
  void turn() {
    while (loop.poll()) {
    }
  }
  wire::Incoming take() {
    return wire::receive(starter.socket.get(), buffer.get(), wire::Side::daemon, false);
  }
  bool send_raw(std::string_view packet) {
    return ::send(starter.socket.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL) ==
           static_cast<ssize_t>(packet.size());
  }
  bool send(Kind kind, std::uint8_t interface, std::uint8_t slot, std::uint64_t sequence,
            std::string_view arguments) {
    wire::Header header;
    header.kind = kind;
    header.interface = interface;
    header.slot = slot;
    header.sequence = sequence;
    header.size = static_cast<std::uint32_t>(arguments.size());
    return send_raw(wire::encode(header, arguments));
  }
  bool request(std::string_view iid, std::uint8_t slot, std::uint64_t sequence,
               std::string_view arguments) {
    return send(Kind::request, wire::interface_number(iid).value(), slot, sequence, arguments);
  }
  // The first two frames, and that it was loaded.
  void say_loaded(std::uint32_t entries = 0x3ff) {
    EXPECT_EQ(take().frame.header.kind, Kind::begin);
    EXPECT_EQ(take().frame.header.kind, Kind::load);
    wire::Loaded message;
    message.entries = entries;
    send(Kind::loaded, 0, 0, 0, encode(message));
    turn();
    if (!lost) {
      EXPECT_TRUE(loaded && !*loaded);
      instance.adopt(proxy().api());
      instance.self = &proxy();
    }
  }
  // A reply for the plugin itself.
  void reply(std::uint64_t tag, std::string body, UniqueFunction<void()> delivered = {}) {
    Reply one;
    one.body = std::move(body);
    one.delivered = std::move(delivered);
    instance.reply(instance.begin(0, tag), std::move(one));
  }
  void return_from(std::uint64_t sequence) {
    send(Kind::returned, 0, 0, sequence, encode(wire::Returned{}));
  }
  std::string lost_code() const { return lost ? lost->code : "it goes on"; }

  // The instances stay for good, as in the daemon, where a plugin's thread may still look at one; and
  // so does their list, for it is read when all else is gone, to see that nothing was lost.
  static std::vector<Instance*>& kept() {
    static auto& all = *new std::vector<Instance*>;
    return all;
  }

  Loop loop;
  Stores stores;
  http::Client http;
  HostPorts ports;
  Config config;
  Files files;
  MetricRegistry metrics;
  Instance::World world;
  std::shared_ptr<Fate> fate = std::make_shared<Fate>();
  FakeStarter starter;
  Instance& instance;
  std::optional<std::optional<Error>> loaded;
  std::optional<Error> lost;
  std::unique_ptr<char[]> buffer{new char[wire::packet_bytes_max]};
};

std::string numbers(std::initializer_list<std::uint64_t> all) {
  std::string bytes;
  for (const std::uint64_t one : all) bytes.append(reinterpret_cast<const char*>(&one), sizeof one);
  return bytes;
}

// ---- Hostile children ----------------------------------------------------------------------------

// As one does that cannot enter its sandbox: it ends after the first frame.
TEST(HostileChild, WhatAChildSaidCountsAlsoWhenItLeftFramesUnread) {
  World world;
  EXPECT_EQ(world.take().frame.header.kind, Kind::begin);
  wire::Loaded refused;
  refused.status = COF_EFAILED;
  refused.code = "sandbox_unavailable";
  refused.text = "landlock: not there";
  world.send(Kind::loaded, 0, 0, 0, encode(refused));
  world.starter.socket = {};
  world.turn();
  ASSERT_TRUE(world.loaded && *world.loaded);
  EXPECT_EQ((*world.loaded)->code, "sandbox_unavailable");
  EXPECT_FALSE(world.lost);
}

TEST(HostileChild, IsEndedForAnyBrokenFrame) {
  const std::string eight(8, '\0');
  struct Case {
    const char* what;
    UniqueFunction<void(World&)> send;
    const char* why;
  };
  Case cases[] = {
      {"no header", [](World& w) { w.send_raw("x"); }, "shorter"},
      {"zeros", [](World& w) { w.send_raw(std::string(16, '\0')); }, "a kind"},
      {"ones", [](World& w) { w.send_raw(std::string(64, '\xff')); }, "a kind"},
      {"an entry", [](World& w) { w.send(Kind::entry, 0, 0, 1, ""); }, "a kind"},
      {"an answer", [](World& w) { w.send(Kind::answer, 0, 0, 1, ""); }, "a kind"},
      {"too much", [](World& w) { w.send_raw(std::string(wire::packet_bytes_max + 8, '\6')); }, "limit"},
      {"a stranger's size", [](World& w) { w.send_raw(wire::encode({Kind::request, 5, 2, 0, 9, 1}, "")); }, "another size"},
      {"interface 99", [](World& w) { w.send(Kind::request, 99, 0, 1, ""); }, "unknown interface"},
      {"slot 99", [](World& w) { w.request("cof.log/1", 99, 1, ""); }, "unknown function"},
      {"not granted", [&](World& w) { w.request("cof.stats/1", 0, 1, std::string(24, '\0')); }, "not given"},
      {"a question without number", [](World& w) { w.request("cof.timer/1", 2, 0, ""); }, "sequence"},
      {"a post with number", [](World& w) { w.request("cof.log/1", 0, 1, ""); }, "sequence"},
      {"too few arguments", [](World& w) { w.request("cof.call/1", 1, 1, "abc"); }, "arguments"},
      {"too many arguments", [&](World& w) { w.request("cof.timer/1", 2, 1, eight); }, "after the arguments"},
      {"a text that ends elsewhere", [](World& w) { w.request("cof.log/1", 0, 0, std::string(12, '\0') + "\xff\xff\xff\xff"); }, "arguments"},
      {"half a struct", [&](World& w) { w.request("cof.kv/1", 1, 1, eight + eight); }, "arguments"},
      {"flag 7", [](World& w) { w.request("cof.timer/1", 0, 1, numbers({0, 0, 1}) + "\7"); }, "arguments"},
      {"loaded again", [](World& w) { w.send(Kind::loaded, 0, 0, 0, encode(wire::Loaded{})); }, "out of turn"},
      {"returned from nothing", [](World& w) { w.return_from(77); }, "sequence"},
      {"returned without status", [](World& w) { w.reply(5, "a"); w.send(Kind::returned, 0, 0, 1, ""); }, "arguments"},
      {"returned with more", [](World& w) { w.reply(5, "a"); w.send(Kind::returned, 0, 0, 1, encode(wire::Returned{}) + "x"); }, "arguments"},
      {"returned twice", [](World& w) { w.reply(5, "a"); w.return_from(1); w.return_from(1); }, "sequence"},
      {"returned before it was sent", [](World& w) {
         for (int i = 0; i < 300; ++i) w.reply(5, "a");
         w.return_from(299);
       }, "sequence"},
      {"memory without a descriptor", [](World& w) { w.send_raw(wire::encode({Kind::request, 5, 2, 1, 9, 1}, "")); }, "no descriptor"},
  };
  for (Case& one : cases) {
    World world;
    world.say_loaded();
    ASSERT_FALSE(world.lost) << one.what;
    one.send(world);
    world.turn();
    EXPECT_EQ(world.lost_code(), "plugin_broke_protocol") << one.what;
    EXPECT_THAT(world.lost.value_or(Error{}).message, HasSubstr(one.why)) << one.what;
    EXPECT_TRUE(world.fate->killed) << one.what;
    EXPECT_TRUE(world.lost && world.lost->retryable);
  }
}

TEST(HostileChild, MaySayNothingBeforeItIsLoaded) {
  World world;
  world.request("cof.timer/1", 2, 1, "");
  world.turn();
  EXPECT_EQ(world.lost_code(), "plugin_broke_protocol");
}

TEST(HostileChild, WithoutCreateIsNoPlugin) {
  World world;
  world.say_loaded(0x10);
  EXPECT_EQ(world.lost_code(), "plugin_broke_protocol");
}

TEST(HostileChild, ThatClosesItsSocketIsEnded) {
  World world;
  world.say_loaded();
  world.starter.socket = wire::Descriptor{};
  world.turn();
  EXPECT_TRUE(world.fate->killed);
  EXPECT_FALSE(world.lost) << "the reason comes with the end of the process";
  world.fate->on_exit({.code = 3, .signal = 0});
  EXPECT_EQ(world.lost_code(), "plugin_crashed");
  EXPECT_THAT(world.lost.value().message, HasSubstr("status 3"));
}

// ---- Both directions full ------------------------------------------------------------------------

// The child asks and asks and does not read: the daemon stops reading, keeps a bounded queue, and
// loses nothing.
TEST(Flow, AChildThatDoesNotReadIsNotReadFrom) {
  World world;
  world.say_loaded();
  std::uint64_t sent = 0;
  const std::string call = numbers({1});
  for (int rounds_without = 0; rounds_without < 3;) {
    const std::uint64_t before = sent;
    while (world.request("cof.call/1", 1, sent + 1, call)) ++sent;
    world.turn();
    rounds_without = sent == before ? rounds_without + 1 : 0;
    ASSERT_LT(sent, 200'000U) << "the daemon takes without end";
  }
  EXPECT_GT(sent, 1'000U);
  EXPECT_FALSE(world.lost);
  // Now it reads: every answer is there, once, in order.
  std::uint64_t answered = 0;
  while (answered < sent) {
    const wire::Incoming incoming = world.take();
    if (incoming.what == wire::Incoming::What::nothing) {
      world.turn();
      continue;
    }
    ASSERT_EQ(incoming.what, wire::Incoming::What::frame);
    ASSERT_EQ(incoming.frame.header.kind, Kind::answer);
    ASSERT_EQ(incoming.frame.header.sequence, ++answered);
  }
  // And all goes on.
  world.request("cof.timer/1", 2, 1'000'000, "");
  world.turn();
  EXPECT_EQ(world.take().frame.header.sequence, 1'000'000U);
}

// Entries beyond what the child may have at once wait in the daemon, and count as delivered when
// the child returned from them.
TEST(Flow, EntriesComeAsTheChildReturns) {
  World world;
  world.say_loaded();
  int delivered = 0;
  for (std::uint64_t i = 1; i <= 1'000; ++i) world.reply(i, "body", [&] { ++delivered; });
  world.turn();
  EXPECT_EQ(delivered, 0);
  std::uint64_t got = 0;
  const auto take_all = [&] {
    std::uint64_t taken = 0;
    for (;;) {
      const wire::Incoming incoming = world.take();
      if (incoming.what != wire::Incoming::What::frame) return taken;
      EXPECT_EQ(incoming.frame.header.kind, Kind::entry);
      EXPECT_EQ(incoming.frame.header.sequence, ++got);
      ++taken;
    }
  };
  EXPECT_EQ(take_all(), 256U);
  world.return_from(1);
  world.turn();
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(take_all(), 1U);
  for (std::uint64_t i = 2; i <= 1'000; ++i) {
    world.return_from(i);
    world.turn();
    take_all();
  }
  EXPECT_EQ(delivered, 1'000);
  EXPECT_EQ(got, 1'000U);
  EXPECT_EQ(world.instance.operations_open(), 0);
}

TEST(Flow, WhoHasTooMuchWaitingGetsNoMoreMade) {
  World world;
  world.say_loaded();
  for (std::uint64_t i = 1; i <= 24; ++i) world.reply(i, std::string(1u << 20, 'x'));
  world.turn();
  wire::Writer get;  // kv.get(call 0, "k", tag 99)
  get.put(std::uint64_t{0});
  get.put(std::string_view{"k"});
  get.put(std::uint64_t{99});
  world.request("cof.kv/1", 0, 7, get.bytes);
  world.turn();
  for (;;) {
    const wire::Incoming incoming = world.take();
    ASSERT_EQ(incoming.what, wire::Incoming::What::frame);
    if (incoming.frame.header.kind != Kind::answer) continue;
    std::int32_t status = 0;
    std::memcpy(&status, incoming.frame.arguments.data(), sizeof status);
    EXPECT_EQ(status, COF_ELIMIT);
    break;
  }
  EXPECT_FALSE(world.lost);
}

TEST(Flow, WhoNeverTakesWhatItAsksForIsEnded) {
  World world;
  world.say_loaded();
  for (std::uint64_t i = 1; i <= 300 && !world.lost; ++i) {
    world.reply(i, std::string(1u << 20, 'x'));
    world.turn();
  }
  EXPECT_EQ(world.lost_code(), "plugin_broke_protocol");
  EXPECT_THAT(world.lost.value().message, HasSubstr("more replies"));
}

TEST(Flow, WhatTheChildSaidBeforeItEndedCounts) {
  World world;
  world.say_loaded();
  bool delivered = false;
  world.reply(1, "a", [&] { delivered = true; });
  world.return_from(1);
  world.fate->on_exit({.code = 0, .signal = 11});
  world.turn();
  EXPECT_TRUE(delivered);
  EXPECT_THAT(world.lost.value().message, HasSubstr("signal 11"));
}

}  // namespace
}  // namespace cofounder::host
