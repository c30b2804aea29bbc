// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/service.hpp"

#include <cofounder/services/kv.h>

namespace cofounder::host {
namespace {

constexpr std::size_t key_bytes_max = 512;
constexpr std::size_t value_bytes_max = 1u << 20;

static_assert(KeyValueStore::any_version == COF_KV_ANY);

std::int32_t take_key(cof_str given, std::string_view& key) {
  const auto status = take_text(given, key, key_bytes_max);
  if (status != COF_OK) return status;
  return key.empty() ? COF_EINVALID : COF_OK;
}

Time now_of(Instance& instance) { return clock_of(instance).now(); }

void answer_value(Answer& answer, Result<std::optional<KeyValueStore::Value>> value) {
  if (!value) return void(answer.give(Reply::failure(value.error())));
  if (!*value) return void(answer.give(Reply::failure(COF_ENOTFOUND)));
  Reply reply;
  reply.body = std::move((*value)->bytes);
  reply.value = (*value)->version;
  answer.give(std::move(reply));
}

void answer_written(Answer& answer, const Result<KeyValueStore::Written>& written,
                    std::int32_t status_when_absent) {
  if (!written) return void(answer.give(Reply::failure(written.error())));
  Reply reply;
  if (!written->done) {
    reply = Reply::failure(written->version == 0 ? status_when_absent : COF_ECONFLICT);
  }
  reply.value = written->version;
  answer.give(std::move(reply));
}

// get() and take() are the same to the plugin; only that take() writes, and is not cut short.
int32_t get(const cof_host* host, uint64_t call_id, cof_str given, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view key;
    if (tag == 0) return COF_EINVALID;
    if (const auto status = take_key(given, key); status != COF_OK) return status;
    return start_operation(
        instance, call_id, tag, Ends::with_cancel,
        [key = std::string{key}](Instance& at, const std::shared_ptr<Answer>& answer) {
          at.ports().values.kv_get(at.id(), key, now_of(at), [answer](auto value) {
            answer_value(*answer, std::move(value));
          });
        });
  });
}

int32_t take(const cof_host* host, uint64_t call_id, cof_str given, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view key;
    if (tag == 0) return COF_EINVALID;
    if (const auto status = take_key(given, key); status != COF_OK) return status;
    return start_operation(
        instance, call_id, tag, Ends::as_it_does,
        [key = std::string{key}](Instance& at, const std::shared_ptr<Answer>& answer) {
          at.ports().values.kv_take(at.id(), key, now_of(at), [answer](auto value) {
            answer_value(*answer, std::move(value));
          });
        });
  });
}

struct Put {
  std::string key;
  std::string value;
  std::int64_t expected = 0;
  Milliseconds ttl{0};
};

std::int32_t take_put(const cof_kv_put* given, Put& put) {
  cof_kv_put local;
  std::string_view key, value;
  if (const auto status = take_struct(given, local); status != COF_OK) return status;
  if (local.reserved != 0) return COF_EUNSUPPORTED;
  if (const auto status =
          first_of({take_key(local.key, key), take_bytes(local.value, value, value_bytes_max)});
      status != COF_OK) {
    return status;
  }
  if (local.expected < COF_KV_ANY || local.ttl_ms < 0) return COF_EINVALID;
  put = {.key = std::string{key},
         .value = std::string{value},
         .expected = local.expected,
         .ttl = Milliseconds{local.ttl_ms}};
  return COF_OK;
}

// Time::max() stands for never, and for whatever would be beyond it.
Time expiry(Time now, Milliseconds ttl) {
  if (ttl == Milliseconds{0} || ttl > Time::max() - now) return Time::max();
  return now + ttl;
}

int32_t put(const cof_host* host, uint64_t call_id, const cof_kv_put* given,
            uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    Put put;
    if (tag == 0) return COF_EINVALID;
    if (const auto status = take_put(given, put); status != COF_OK) return status;
    return start_operation(
        instance, call_id, tag, Ends::as_it_does,
        [put = std::move(put)](Instance& at, const std::shared_ptr<Answer>& answer) mutable {
          const Time now = now_of(at);
          const auto bytes_max = static_cast<std::int64_t>(at.config()->limits.kv_bytes_max);
          at.ports().values.kv_put(at.id(), std::move(put.key), std::move(put.value), put.expected,
                                   expiry(now, put.ttl), now, bytes_max,
                                   [answer](Result<KeyValueStore::Written> written) {
                                     answer_written(*answer, written, COF_ECONFLICT);
                                   });
        });
  });
}

int32_t remove(const cof_host* host, uint64_t call_id, cof_str given, int64_t expected,
               uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view key;
    if (tag == 0 || expected < COF_KV_ANY) return COF_EINVALID;
    if (const auto status = take_key(given, key); status != COF_OK) return status;
    return start_operation(
        instance, call_id, tag, Ends::as_it_does,
        [key = std::string{key}, expected](Instance& at, const std::shared_ptr<Answer>& answer) {
          at.ports().values.kv_remove(at.id(), key, expected, now_of(at),
                                      [answer](Result<KeyValueStore::Written> written) {
                                        answer_written(*answer, written, COF_ENOTFOUND);
                                      });
        });
  });
}

void answer_page(Instance& instance, Answer& answer, Result<KeyValueStore::Page> page) {
  if (!page) return void(answer.give(Reply::failure(page.error())));
  if (answer.given()) return;
  for (auto& entry : page->entries) {
    Reply reply;
    reply.last = false;
    reply.kind = COF_KV_ENTRY;
    reply.name = std::move(entry.key);
    reply.body = std::move(entry.value.bytes);
    reply.value = entry.value.version;
    instance.reply(answer.operation(), std::move(reply));
  }
  Reply last;
  last.value = page->more ? 1 : 0;
  answer.give(std::move(last));
}

int32_t scan(const cof_host* host, uint64_t call_id, cof_str given_prefix, cof_str given_after,
             int32_t count, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view prefix, after;
    if (tag == 0 || count < 1 || count > 1000) return COF_EINVALID;
    if (const auto status = first_of({take_text(given_prefix, prefix, key_bytes_max),
                                      take_text(given_after, after, key_bytes_max)});
        status != COF_OK) {
      return status;
    }
    return start_operation(
        instance, call_id, tag, Ends::with_cancel,
        [prefix = std::string{prefix}, after = std::string{after}, count](
            Instance& at, const std::shared_ptr<Answer>& answer) {
          at.ports().values.kv_scan(at.id(), prefix, after, count, now_of(at),
                                    [&at, answer](Result<KeyValueStore::Page> page) {
                                      answer_page(at, *answer, std::move(page));
                                    });
        });
  });
}

}  // namespace

const void* kv_table() noexcept {
  static const cof_kv_service table{sizeof(cof_kv_service), 0, get, put, remove, take, scan};
  return &table;
}

}  // namespace cofounder::host
