// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/service_fixture.hpp"

namespace cofounder::host::test {
namespace {

class KvTest : public ServiceTest {
 protected:
  static cof_kv_put entry(std::string_view key, std::string_view value,
                          std::int64_t expected = COF_KV_ANY, std::int64_t ttl_ms = 0) {
    return {sizeof(cof_kv_put), 0, text(key), bytes(value), expected, ttl_ms};
  }
  Got put(const cof_kv_put& wanted) {
    EXPECT_EQ(kv->put(host, 0, &wanted, ++tag), COF_OK);
    return last(tag);
  }
  Got get(std::string_view key) {
    EXPECT_EQ(kv->get(host, 0, text(key), ++tag), COF_OK);
    return last(tag);
  }
  Got take(std::string_view key) {
    EXPECT_EQ(kv->take(host, 0, text(key), ++tag), COF_OK);
    return last(tag);
  }
  Got remove(std::string_view key, std::int64_t expected) {
    EXPECT_EQ(kv->remove(host, 0, text(key), expected, ++tag), COF_OK);
    return last(tag);
  }
  std::uint64_t tag = 100;
  const cof_kv_service* kv = table<cof_kv_service>(COF_KV_IID);
};

TEST_F(KvTest, PutsGetsAndTakes) {
  load();
  const auto first = put(entry("k", "one"));
  EXPECT_EQ(first.status, COF_OK);
  EXPECT_GT(first.value, 0);
  EXPECT_EQ(get("k").body, "one");
  EXPECT_EQ(get("k").value, first.value);
  EXPECT_EQ(get("none").status, COF_ENOTFOUND);
  EXPECT_EQ(take("k").body, "one");
  EXPECT_EQ(take("k").status, COF_ENOTFOUND);
}

TEST_F(KvTest, ComparesVersionsBeforeItWrites) {
  load();
  const auto first = put(entry("k", "one", COF_KV_ABSENT));
  EXPECT_EQ(first.status, COF_OK);
  const auto lost = put(entry("k", "two", COF_KV_ABSENT));
  EXPECT_EQ(lost.status, COF_ECONFLICT);
  EXPECT_EQ(lost.value, first.value);
  const auto second = put(entry("k", "two", first.value));
  EXPECT_EQ(second.status, COF_OK);
  EXPECT_GT(second.value, first.value);
  const auto absent = put(entry("other", "x", 5));
  EXPECT_EQ(absent.status, COF_ECONFLICT);
  EXPECT_EQ(absent.value, 0);

  EXPECT_EQ(remove("k", first.value).status, COF_ECONFLICT);
  EXPECT_EQ(remove("k", second.value).status, COF_OK);
  EXPECT_EQ(remove("k", COF_KV_ANY).status, COF_ENOTFOUND);
}

TEST_F(KvTest, EntriesExpire) {
  load();
  put(entry("k", "v", COF_KV_ANY, 1'000));
  put(entry("for ever", "v", COF_KV_ANY, INT64_MAX));
  EXPECT_EQ(get("k").status, COF_OK);
  advance(std::chrono::seconds{2});
  EXPECT_EQ(get("k").status, COF_ENOTFOUND);
  EXPECT_EQ(get("for ever").status, COF_OK);
}

TEST_F(KvTest, ScansInOrderWithACursor) {
  load();
  for (const char* key : {"a/1", "a/2", "a/3", "b/1"}) put(entry(key, std::string{"v"} + key));
  EXPECT_EQ(kv->scan(host, 0, text("a/"), text(""), 2, 1), COF_OK);
  last(1);
  const auto page = replies(1);
  ASSERT_EQ(page.size(), 3u);
  EXPECT_EQ(page[0].kind, COF_KV_ENTRY);
  EXPECT_EQ(page[0].name, "a/1");
  EXPECT_EQ(page[0].body, "va/1");
  EXPECT_GT(page[0].value, 0);
  EXPECT_FALSE(page[0].last);
  EXPECT_EQ(page[1].name, "a/2");
  EXPECT_EQ(page[2].kind, 0);
  EXPECT_EQ(page[2].value, 1) << "there are more";
  EXPECT_EQ(kv->scan(host, 0, text("a/"), text("a/2"), 1000, 2), COF_OK);
  last(2);
  ASSERT_EQ(replies(2).size(), 2u);
  EXPECT_EQ(replies(2)[0].name, "a/3");
  EXPECT_EQ(replies(2)[1].value, 0);
}

TEST_F(KvTest, HasAShareOfTheStore) {
  plugin_config.limits.kv_bytes_max = 100;
  load();
  EXPECT_EQ(put(entry("k", std::string(90, 'x'))).status, COF_OK);
  const auto full = put(entry("l", std::string(50, 'x')));
  EXPECT_EQ(full.status, COF_ELIMIT);
  EXPECT_TRUE(full.retryable);
}

TEST_F(KvTest, RefusesWhatCannotBe) {
  load();
  const std::string long_key(513, 'k');
  const std::string big(1'048'577, 'x');
  const auto refused = [&](cof_kv_put wanted) { return kv->put(host, 0, &wanted, 1); };
  EXPECT_EQ(refused(entry("", "v")), COF_EINVALID);
  EXPECT_EQ(refused(entry(long_key, "v")), COF_ETOOBIG);
  EXPECT_EQ(refused(entry("k", big)), COF_ETOOBIG);
  EXPECT_EQ(refused(entry("k", "v", -2)), COF_EINVALID);
  EXPECT_EQ(refused(entry("k", "v", 0, -1)), COF_EINVALID);
  auto reserved = entry("k", "v");
  reserved.reserved = 1;
  EXPECT_EQ(refused(reserved), COF_EUNSUPPORTED);
  auto broken = entry("k", "v");
  broken.key = broken_text;
  EXPECT_EQ(refused(broken), COF_EINVALID);
  const auto fine = entry("k", "v");
  EXPECT_EQ(kv->put(host, 0, &fine, 0), COF_EINVALID);
  EXPECT_EQ(kv->put(host, no_call, &fine, 1), COF_EGONE);
  EXPECT_EQ(kv->put(host, 0, nullptr, 1), COF_EINVALID);
  EXPECT_EQ(kv->get(host, 0, text(""), 1), COF_EINVALID);
  EXPECT_EQ(kv->get(host, 0, text("k"), 0), COF_EINVALID);
  EXPECT_EQ(kv->get(host, no_call, text("k"), 1), COF_EGONE);
  EXPECT_EQ(kv->take(host, 0, null_text, 1), COF_EINVALID);
  EXPECT_EQ(kv->take(host, 0, text("k"), 0), COF_EINVALID);
  EXPECT_EQ(kv->remove(host, 0, text("k"), -2, 1), COF_EINVALID);
  EXPECT_EQ(kv->remove(host, 0, text("k"), 0, 0), COF_EINVALID);
  EXPECT_EQ(kv->scan(host, 0, text(""), text(""), 0, 1), COF_EINVALID);
  EXPECT_EQ(kv->scan(host, 0, text(""), text(""), 1001, 1), COF_EINVALID);
  EXPECT_EQ(kv->scan(host, 0, text(""), text(""), 1, 0), COF_EINVALID);
  EXPECT_EQ(kv->scan(host, 0, broken_text, text(""), 1, 1), COF_EINVALID);
}

TEST_F(KvTest, ACancelEndsReadsAndLeavesWrites) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  const auto written = entry("k", "v");
  EXPECT_EQ(kv->get(host, call->id, text("k"), 1), COF_OK);
  EXPECT_EQ(kv->put(host, call->id, &written, 2), COF_OK);
  EXPECT_EQ(kv->scan(host, call->id, text(""), text(""), 1, 3), COF_OK);
  cancel(*call);
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_EQ(last(2).status, COF_OK);
  EXPECT_EQ(last(3).status, COF_ECANCELLED);
  EXPECT_EQ(get("k").body, "v");
}

}  // namespace
}  // namespace cofounder::host::test
