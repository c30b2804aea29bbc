// SPDX-License-Identifier: Apache-2.0
#include "core/wire/function.hpp"
#include "core/wire/frame.hpp"
#include "core/wire/trampolines.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/wire/sample.hpp"

namespace cofounder::wire {
namespace {

// ---- Every slot of the table: what goes in comes out --------------------------------------------

// Arguments of a slot as bytes, decoded, encoded again: the same.  Cut at any place, or with a byte
// more, they are refused.
template <auto SlotMember>
std::string check_slot() {
  using F = Function<typename Member<decltype(SlotMember)>::Type>;
  Sample sample;
  Outs outs;
  typename F::Values values = sample_values<F>(sample, outs);
  Writer first;
  F::put_arguments(first, values);
  EXPECT_EQ(first.refused, COF_OK);

  Arena arena;
  Reader in{first.bytes, arena};
  typename F::Values decoded{};
  Outs given;
  EXPECT_TRUE(F::get_arguments(in, decoded, given));
  F::make_buffer(decoded, given);
  Writer second;
  F::put_arguments(second, decoded);
  EXPECT_EQ(first.bytes, second.bytes);

  for (std::size_t size = 0; size < first.bytes.size(); ++size) {
    Reader cut{std::string_view{first.bytes}.substr(0, size), arena};
    typename F::Values none{};
    Outs no;
    EXPECT_FALSE(F::get_arguments(cut, none, no)) << "cut at " << size;
  }
  const std::string longer = first.bytes + '\0';
  Reader more{longer, arena};
  typename F::Values none{};
  Outs no;
  EXPECT_FALSE(F::get_arguments(more, none, no));
  return first.bytes;
}

template <class... S>
std::vector<std::string> check_slots(Slots<S...>) {
  return {check_slot<S::member>()...};
}

template <class... Service>
std::vector<std::vector<std::string>> check_services(Services<Service...>) {
  return {check_slots(typename Interface<Service>::slots{})...};
}

TEST(Table, EverySlotKeepsItsArguments) {
  const auto all = check_services(AllServices{});
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i].size(), slot_count(static_cast<std::uint8_t>(i)));
    for (std::size_t slot = 0; slot < all[i].size(); ++slot) {
      Header header;
      header.kind = Kind::request;
      header.interface = static_cast<std::uint8_t>(i);
      header.slot = static_cast<std::uint8_t>(slot);
      header.size = static_cast<std::uint32_t>(all[i][slot].size());
      const Handler& handler = *find_handler(header.interface, header.slot);
      header.sequence = handler.way == Way::post ? 0 : 7;
      EXPECT_EQ(decode(encode(header, all[i][slot]), Side::child).broken, Broken::no) << i << slot;
      EXPECT_EQ(check_arguments(header, all[i][slot]), Broken::no) << handler.iid << slot;
      header.size += 1;
      EXPECT_EQ(check_arguments(header, all[i][slot] + "x"), Broken::trailing_bytes);
    }
  }
}

TEST(Table, EveryEntryKeepsItsArguments) { check_slots(EntrySlots{}); }

TEST(Table, TheStructsOfServicesAreInIt) {
  EXPECT_EQ(interface_number("cof.log/1"), 0);
  EXPECT_EQ(interface_number("cof.file/1"), 15);
  EXPECT_EQ(interface_number("cof.moon/1"), std::nullopt);
  EXPECT_EQ(interface_number("cof.log"), std::nullopt);
  EXPECT_EQ(interface_number("cof.process/1"), 16);
  EXPECT_EQ(interface_number("cof.identity/1"), 17);
  EXPECT_FALSE(is_interface(18));
}

// What the compiler says of a table that lacks a slot, or has one twice.
struct TwoSlots {
  std::uint32_t struct_size;
  std::uint32_t minor;
  std::int32_t (*first)(const cof_host* host);
  std::int32_t (*second)(const cof_host* host);
};
using Whole = Slots<Slot<&TwoSlots::first>, Slot<&TwoSlots::second>>;
using Twice = Slots<Slot<&TwoSlots::first>, Slot<&TwoSlots::first>>;
static_assert(detail::is_whole<TwoSlots, 8, Whole> && detail::is_distinct<Whole>);
static_assert(!detail::is_whole<TwoSlots, 8, Slots<Slot<&TwoSlots::first>>>);
static_assert(!detail::is_distinct<Twice>);

// ---- Answers -------------------------------------------------------------------------------------

TEST(Answers, SinkHandleAndBufferComeBack) {
  using Get = Function<decltype(cof_config_service::get)>;
  std::string got;
  const cof_sink sink{&got, [](void* context, const void* data, std::uint64_t size) -> std::int32_t {
                        static_cast<std::string*>(context)->append(static_cast<const char*>(data), size);
                        return COF_OK;
                      }};
  Outs outs;
  outs.written = "value";
  Writer answer;
  Get::put_answer(answer, COF_OK, outs);
  const auto take = [&](std::string_view bytes, std::int32_t& result) {
    Arena arena;
    Reader in{bytes, arena};
    Get::Values values{nullptr, 0, {}, &sink};
    return Get::get_answer(in, result, values);
  };
  std::int32_t result = -1;
  EXPECT_TRUE(take(answer.bytes, result));
  EXPECT_EQ(result, COF_OK);
  EXPECT_EQ(got, "value");
  EXPECT_FALSE(take(answer.bytes + "x", result));
  EXPECT_FALSE(take(answer.bytes.substr(0, 6), result));

  using Read = Function<decltype(cof_file_service::read)>;
  Outs file;
  file.buffer = "0123456789";
  Writer read;
  Read::put_answer(read, 4, file);
  char buffer[8] = "xxxxxxx";
  Arena arena;
  Reader in{read.bytes, arena};
  Read::Values values{nullptr, 1, 0, buffer, sizeof buffer};
  std::int64_t count = 0;
  EXPECT_TRUE(Read::get_answer(in, count, values));
  EXPECT_EQ(count, 4);
  EXPECT_EQ(std::string(buffer, 5), "0123x");
  // More than was asked for is no answer.
  Read::Values little{nullptr, 1, 0, buffer, 2};
  Reader again{read.bytes, arena};
  EXPECT_FALSE(Read::get_answer(again, count, little));
}

// ---- The rules of abi.h, on the giving side ------------------------------------------------------

TEST(Writer, KeepsTheRulesOfGrowth) {
  struct Newer {
    cof_kv_put known;
    std::uint64_t unknown;
  };
  Newer newer{};
  newer.known.struct_size = sizeof newer;
  Writer good;
  good.put(&newer.known);
  EXPECT_EQ(good.refused, COF_OK);
  newer.unknown = 1;
  Writer set;
  set.put(&newer.known);
  EXPECT_EQ(set.refused, COF_EUNSUPPORTED);
  newer.unknown = 0;
  newer.known.reserved = 1;
  Writer reserved;
  reserved.put(&newer.known);
  EXPECT_EQ(reserved.refused, COF_EUNSUPPORTED);
  Writer null;
  null.put(static_cast<const cof_kv_put*>(nullptr));
  EXPECT_EQ(null.refused, COF_EINVALID);
  Writer sized;
  sized.put(cof_str{nullptr, 1});
  EXPECT_EQ(sized.refused, COF_EINVALID);
  Writer big;
  big.put(cof_str{"x", COF_TEXT_BYTES_MAX + 1});
  EXPECT_EQ(big.refused, COF_ETOOBIG);
  // A smaller one is filled with zeros.
  cof_kv_put older{};
  older.struct_size = offsetof(cof_kv_put, expected);
  older.expected = 99;
  Writer small;
  small.put(&older);
  Arena arena;
  Reader in{small.bytes, arena};
  EXPECT_EQ(in.get_struct<cof_kv_put>()->expected, 0);
  EXPECT_TRUE(in.good() && in.at_end());
}

}  // namespace
}  // namespace cofounder::wire
