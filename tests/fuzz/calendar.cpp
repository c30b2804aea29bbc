// SPDX-License-Identifier: Apache-2.0
// Calendar expressions: the first line, with the time zone of the second.
#include "core/scheduler/calendar.hpp"
#include "core/base/text.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cofounder;
  const std::string_view text = fuzz::text_of(data, size);
  const auto end = text.find('\n');
  const std::string_view expression = text.substr(0, end);
  const std::string_view zone = end == std::string_view::npos ? "" : text.substr(end + 1);
  for (const auto& parse : {Calendar::cron, Calendar::calendar}) {
    const auto calendar = parse(expression, zone);
    if (!calendar) continue;
    Time at{Milliseconds{1'774'000'000'000}};
    for (int i = 0; i < 5; ++i) {
      const auto next = calendar->next(at);
      if (!next) break;
      fuzz::require(*next > at, "the next time is later");
      fuzz::require(calendar->next(*next - Milliseconds{1}) == next, "nothing lies between");
      at = *next;
    }
  }
  if (const auto duration = parse_duration(expression)) {
    fuzz::require(parse_duration(to_string(*duration)) == *duration, "a duration is read as written");
  }
  return 0;
}
