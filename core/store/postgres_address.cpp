// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_address.hpp"

#include "core/store/postgres_libpq.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdlib>
#include <memory>
#include <utility>

namespace cofounder {
namespace {

using Settings = PostgresConnection::Settings;
using boost::asio::ip::tcp;

constexpr std::size_t addresses_max = 16;  // of one name

std::string* find(Settings& settings, std::string_view key) {
  for (auto& [name, value] : settings) {
    if (name == key) return &value;
  }
  return nullptr;
}

void set_default(Settings& settings, const char* key, std::string value) {
  if (find(settings, key) == nullptr) settings.emplace_back(key, std::move(value));
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (;;) {
    const auto comma = list.find(',', begin);
    parts.push_back(list.substr(begin, comma - begin));
    if (comma == std::string::npos) return parts;
    begin = comma + 1;
  }
}

bool is_name(const std::string& host) {
  if (host.empty() || host[0] == '/' || host[0] == '@') return false;
  in6_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) != 1 &&
         inet_pton(AF_INET6, host.c_str(), &address) != 1;
}

// Looks one host up after the other, and lists what libpq may try.
struct Lookup : std::enable_shared_from_this<Lookup> {
  Lookup(Loop& loop, Settings all) : resolver{loop.context()}, settings{std::move(all)} {}

  tcp::resolver resolver;
  Settings settings;
  UniqueFunction<void(Result<Settings>)> done;
  std::vector<std::string> hosts;
  std::vector<std::string> ports;
  std::size_t at = 0;
  std::string host_list;
  std::string address_list;
  std::string port_list;
  std::string failure;
  bool any = false;

  void list(const std::string& host, const std::string& address) {
    const std::string comma = any ? "," : "";
    any = true;
    host_list += comma + host;
    address_list += comma + address;
    port_list += comma + (ports.size() == 1 ? ports[0] : ports[at]);
  }

  void next() {
    for (; at < hosts.size(); ++at) {
      if (is_name(hosts[at])) return look_up();
      list(hosts[at], "");
    }
    if (!any) {
      Error error = make_error("store_unavailable", failure, true);
      error.hint = "Check host in [store] dsn, and the name server.";
      return done(error);
    }
    *find(settings, "host") = host_list;
    *find(settings, "port") = port_list;
    settings.emplace_back("hostaddr", address_list);
    done(std::move(settings));
  }

  void look_up() {
    resolver.async_resolve(
        hosts[at], "",
        [self = shared_from_this()](const boost::system::error_code& error,
                                    const tcp::resolver::results_type& found) {
          const std::string& host = self->hosts[self->at];
          std::size_t count = 0;
          for (const auto& entry : found) {
            if (error || ++count > addresses_max) break;
            self->list(host, entry.endpoint().address().to_string());
          }
          if (error) self->failure = "The host " + host + " is not known: " + error.message() + ".";
          ++self->at;
          self->next();
        });
  }
};

}  // namespace

Result<Settings> read_postgres_dsn(const std::string& dsn, const std::string& password,
                                   const std::string& application_name) {
  if (const auto& loaded = load_libpq(); !loaded) return loaded.error();
  char* why = nullptr;
  PQconninfoOption* options = pq().conninfoParse(dsn.c_str(), &why);
  pq().freemem(why);  // it may repeat what stands there
  if (options == nullptr) {
    Error error = make_error("store_unusable", "The connection string of the store cannot be read.");
    error.hint =
        "Write [store] dsn as \"host=/run/postgresql dbname=cofounderd user=cofounderd\" or "
        "\"postgresql://cofounderd@host/cofounderd\".";
    return error;
  }
  Settings settings;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val != nullptr) settings.emplace_back(option->keyword, option->val);
  }
  pq().conninfoFree(options);
  if (find(settings, "service") != nullptr) {
    Error error = make_error("store_unusable", "The connection string of the store names a service.");
    error.hint = "Write host, dbname and user into [store] dsn instead.";
    return error;
  }
  const char* host = std::getenv("PGHOST");
  if (find(settings, "hostaddr") == nullptr && host != nullptr) set_default(settings, "host", host);
  const char* port = std::getenv("PGPORT");
  set_default(settings, "port", port != nullptr ? port : "5432");
  if (!password.empty()) set_default(settings, "password", password);
  set_default(settings, "application_name", application_name);
  set_default(settings, "client_encoding", "UTF8");
  set_default(settings, "gssencmode", "disable");  // asks name servers, and blocks
  set_default(settings, "keepalives_idle", "10");
  set_default(settings, "keepalives_interval", "5");
  set_default(settings, "keepalives_count", "3");
  set_default(settings, "tcp_user_timeout", "15000");
  return settings;
}

void resolve_postgres_hosts(Loop& loop, Settings settings,
                            UniqueFunction<void(Result<Settings>)> done) {
  auto lookup = std::make_shared<Lookup>(loop, std::move(settings));
  lookup->done = std::move(done);
  const std::string* host = find(lookup->settings, "host");
  if (host == nullptr || find(lookup->settings, "hostaddr") != nullptr) {
    return lookup->done(std::move(lookup->settings));
  }
  lookup->hosts = split(*host);
  lookup->ports = split(*find(lookup->settings, "port"));
  if (lookup->ports.size() != 1 && lookup->ports.size() != lookup->hosts.size()) {
    return lookup->done(make_error(
        "store_unusable", "The connection string of the store has not one port for each host."));
  }
  lookup->next();
}

}  // namespace cofounder
