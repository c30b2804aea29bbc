// SPDX-License-Identifier: Apache-2.0
#include "waiting.hpp"

#include <charconv>
#include <chrono>
#include <utility>

#include "notification.hpp"

namespace cloudinary {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::string_view state_prefix = "async/";
constexpr std::chrono::seconds hold{20};       // inside one attempt
constexpr std::chrono::seconds look_again{5};  // should a wake-up be missed
constexpr std::chrono::seconds defer_for{10};
constexpr std::chrono::seconds end_margin{5};  // before the attempt's deadline
constexpr sdk::Milliseconds kept_longer{24 * 3'600'000};
constexpr std::size_t task_bytes_max = 36;
constexpr const char* outcomes[] = {"accepted", "duplicate", "unknown",   "ignored",
                                    "forged",   "stale",     "malformed", "error"};

std::string key_of(std::string_view task) { return std::string{state_prefix}.append(task); }

std::int64_t seconds_of(sdk::WallTime time) { return time.time_since_epoch().count() / 1000; }

// What stands in the store; it is this plugin's own, so that anything else is a bug or damage.
sdk::Result<Json> read_record(const sdk::KvEntry& entry) {
  Json record = Json::parse(entry.value, nullptr, /*allow_exceptions=*/false);
  if (record.is_object() && record.contains("public_id") && record.contains("began_s")) return record;
  return sdk::Failure{COF_EINTERNAL, "record_unreadable", "what was noted of the upload makes no sense"};
}

sdk::Result<Json> result_of(const Json& record) {
  if (record.contains("result")) return record.at("result");
  return sdk::Failure{COF_EFAILED, "upload_failed", record.value("error", "the upload failed")};
}

}  // namespace

std::string Waiting::state(sdk::WallTime until) {
  return std::string{state_prefix} + std::to_string(until.time_since_epoch().count());
}

std::optional<sdk::WallTime> Waiting::saved_deadline(sdk::Context ctx) {
  std::string_view saved = ctx.saved();
  if (!saved.starts_with(state_prefix)) return std::nullopt;
  saved.remove_prefix(state_prefix.size());
  std::int64_t ms = 0;
  const auto [end, error] = std::from_chars(saved.data(), saved.data() + saved.size(), ms);
  if (error != std::errc{} || end != saved.data() + saved.size()) return std::nullopt;
  return sdk::WallTime{sdk::Milliseconds{ms}};
}

sdk::Task<sdk::Result<void>> Waiting::expect(sdk::Context ctx, std::string public_id,
                                             sdk::Milliseconds most) {
  const std::string key = key_of(ctx.task_id());
  const std::string record = sdk::to_text(
      Json{{"public_id", public_id}, {"began_s", seconds_of(ctx.host().wall())}});
  auto written = co_await ctx.kv().put(key, record, sdk::Kv::any, most + kept_longer);
  if (!written) co_return written.failure();
  co_return sdk::Result<void>{};
}

void Waiting::forget(sdk::Context ctx) {
  // When it is not removed now the store removes it when its time is over.
  ctx.kv().remove(key_of(ctx.task_id())).ignore();
}

sdk::Task<sdk::Result<Json>> Waiting::wait(sdk::Context ctx, sdk::WallTime until) {
  const std::string key = key_of(ctx.task_id());
  const sdk::Nanoseconds began = ctx.host().now();
  for (;;) {
    auto entry = co_await ctx.kv().get(key);
    if (!entry && entry.failure().status != COF_ENOTFOUND) co_return entry.failure();
    if (entry) {
      const auto record = read_record(*entry);
      if (!record) co_return record.failure();
      if (record->contains("result") || record->contains("error")) {
        forget(ctx);
        co_return result_of(*record);
      }
    }
    const auto now = ctx.host().wall();
    if (!entry || now >= until) {
      forget(ctx);
      co_return sdk::Failure(COF_EFAILED, "notification_missing",
                             "Cloudinary took the upload, but its notification did not come in time");
    }
    if (ctx.host().now() - began >= hold || ctx.time_left() < end_margin) {
      const std::string saved = state(until);
      co_return ctx.defer(now + defer_for, saved);
    }
    std::uint64_t timer = 0;
    auto nap = ctx.sleep(look_again, timer);
    sleepers_[key] = timer;
    auto slept = co_await nap;
    if (const auto mine = sleepers_.find(key); mine != sleepers_.end() && mine->second == timer) {
      sleepers_.erase(mine);
    }
    if (!slept && ctx.cancelled()) co_return slept.failure();
  }
}

void Waiting::apply(sdk::Host host) {
  notifications_ = host.counter("cloudinary_notifications",
                                "Notifications of Cloudinary, by what became of them.", "outcome");
  for (const char* outcome : outcomes) notifications_.add(0, outcome);
}

sdk::Task<Waiting::Fate> Waiting::take(sdk::Context ctx, std::string task, std::int64_t sent_s,
                                       Json notification) {
  const auto type = notification.find("notification_type");
  const bool is_upload =
      type != notification.end() && (*type == "upload" || *type == "error");
  if (!is_upload) co_return Fate{"ignored", 200};
  if (task.empty() || task.size() > task_bytes_max) co_return Fate{"unknown", 200};
  const std::string key = key_of(task);
  auto entry = co_await ctx.kv().get(key);
  if (!entry) {
    // 200: to send it again would change nothing.
    const bool is_unknown = entry.failure().status == COF_ENOTFOUND;
    co_return is_unknown ? Fate{"unknown", 200} : Fate{"error", 503};
  }
  auto record = read_record(*entry);
  if (!record) co_return Fate{"error", 500};
  const auto id = notification.find("public_id");
  if (id == notification.end() || *id != record->at("public_id")) co_return Fate{"unknown", 200};
  if (record->contains("result") || record->contains("error")) co_return Fate{"duplicate", 200};
  // A genuine one of an earlier upload with the same id, sent again by somebody.
  if (sent_s < record->at("began_s").get<std::int64_t>()) co_return Fate{"stale", 401};
  auto news = read_notification(notification);
  if (!news) co_return Fate{"malformed", 400};
  record->update(*news);
  const std::string text = sdk::to_text(*record);
  auto written = co_await ctx.kv().put(key, text, entry->version, kept_longer);
  if (!written) {
    const bool is_late = written.failure().status == COF_ECONFLICT;
    co_return is_late ? Fate{"duplicate", 200} : Fate{"error", 503};
  }
  if (const auto sleeper = sleepers_.find(key); sleeper != sleepers_.end()) {
    ctx.host().wake(sleeper->second);
  }
  co_return Fate{"accepted", 200};
}

sdk::Task<sdk::RouteResponse> Waiting::notify(sdk::Context ctx, Account account,
                                              sdk::RouteRequest request) {
  Fate fate{"error", 503};
  const auto known = credentials(ctx, account);
  if (known) {
    const std::string timestamp{request.header("x-cld-timestamp")};
    const auto genuine = check_notification(
        request.body, timestamp, request.header("x-cld-signature"), known->secret,
        account.algorithm, seconds_of(ctx.host().wall()), account.notification_age_s);
    Json notification = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
    if (genuine == Genuine::forged) {
      fate = {"forged", 401};
    } else if (genuine == Genuine::stale) {
      fate = {"stale", 401};
    } else if (genuine == Genuine::malformed || !notification.is_object()) {
      fate = {"malformed", 400};
    } else {
      std::string task = request.param("task").value_or("");
      fate = co_await take(ctx, std::move(task), std::stoll(timestamp), std::move(notification));
    }
  }
  notifications_.add(1, fate.outcome);
  const Json body{{"outcome", fate.outcome}};
  co_return sdk::RouteResponse(body).with_status(fate.status);
}

}  // namespace cloudinary
