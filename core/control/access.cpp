// SPDX-License-Identifier: Apache-2.0
#include "core/control/access.hpp"

#include "core/base/log.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace cofounder {

namespace {

constexpr std::array<std::string_view, 5> names = {"public", "read", "submit", "operate", "admin"};

// getpwnam_r and its kind, with a buffer that grows as it asks for it.
template <class Entry, class Function, class Key>
bool look_up(Function function, Key key, Entry& entry, std::vector<char>& buffer) {
  buffer.resize(1024);
  for (;;) {
    Entry* found = nullptr;
    const int error = function(key, &entry, buffer.data(), buffer.size(), &found);
    if (error == EINTR) continue;
    if (error != ERANGE || buffer.size() > (1u << 20)) return error == 0 && found != nullptr;
    buffer.resize(buffer.size() * 4);
  }
}

void raise(Access& held, Access to) { held = std::max(held, to); }

}  // namespace

std::string_view to_string(Access access) noexcept {
  return names[static_cast<std::size_t>(access)];
}

std::optional<Access> parse_access(std::string_view text) noexcept {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Access>(found - names.begin());
}

void AccessRules::load(const std::map<Access, std::vector<std::string>>& lists) {
  users_.clear();
  groups_.clear();
  std::vector<char> buffer;
  for (const auto& [access, list] : lists) {
    for (const std::string& name : list) {
      const bool is_group = name.starts_with('@');
      passwd user{};
      group members{};
      if (is_group && look_up(::getgrnam_r, name.c_str() + 1, members, buffer)) {
        raise(groups_[members.gr_gid], access);
      } else if (!is_group && look_up(::getpwnam_r, name.c_str(), user, buffer)) {
        raise(users_[user.pw_uid], access);
      } else {
        // Reading the configuration warned of it.
        log::debug("control.access." + std::string{to_string(access)} + ": there is no " +
                   (is_group ? "group \"" + name.substr(1) : "user \"" + name) + "\", ignoring");
      }
    }
  }
}

Access AccessRules::of(const http::Peer& peer) const noexcept {
  if (!peer.is_local) return Access::none;
  Access access = Access::none;
  if (const auto user = users_.find(peer.uid); user != users_.end()) access = user->second;
  for (const gid_t group : peer.groups) {
    const auto found = groups_.find(group);
    if (found != groups_.end()) raise(access, found->second);
  }
  return access;
}

std::string name_of(const http::Peer& peer) {
  if (!peer.is_local) return peer.address;
  passwd user{};
  std::vector<char> buffer;
  const std::string number = "uid " + std::to_string(peer.uid);
  if (!look_up(::getpwuid_r, peer.uid, user, buffer)) return number;
  return std::string{user.pw_name} + " (" + number + ")";
}

std::string submitter_of(const http::Peer& peer) {
  return peer.is_local ? "uid:" + std::to_string(peer.uid) : "address:" + peer.address;
}

}  // namespace cofounder
