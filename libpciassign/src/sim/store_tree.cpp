// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/sim/store.hpp"

namespace pciassign::sim {
namespace {

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

}  // namespace

std::optional<std::string> Tree::read(const std::string& path) const {
  const auto at = nodes_.find(path);
  if (at == nodes_.end()) return std::nullopt;
  return at->second.value;
}

std::vector<std::string> Tree::list(const std::string& path) const {
  std::vector<std::string> names;
  const auto prefix = path + "/";
  for (auto at = nodes_.lower_bound(prefix); at != nodes_.end() && at->first.starts_with(prefix);
       ++at) {
    const auto name = at->first.substr(prefix.size());
    if (name.find('/') == std::string::npos) names.push_back(name);
  }
  return names;
}

void Tree::make(const std::string& path) {
  if (nodes_.contains(path)) return;
  const auto parent = parent_of(path);
  make(parent);
  nodes_[path] = {{}, nodes_[parent].perms};
}

void Tree::write(const std::string& path, const std::string& value) {
  make(path);
  nodes_[path].value = value;
}

void Tree::mkdir(const std::string& path) {
  make(path);
}

void Tree::remove(const std::string& path) {
  nodes_.erase(path);
  const auto prefix = path + "/";
  auto at = nodes_.lower_bound(prefix);
  while (at != nodes_.end() && at->first.starts_with(prefix)) at = nodes_.erase(at);
}

void Tree::set_perms(const std::string& path, const StorePerms& perms) {
  nodes_[path].perms = perms;
}

bool Tree::may_read(DomId who, const std::string& path) const {
  const auto at = nodes_.find(path);
  if (at == nodes_.end()) return false;
  return who == kDom0 || at->second.perms.owner == who || at->second.perms.reader == who;
}

bool Tree::may_write(DomId who, const std::string& path) const {
  if (who == kDom0) return true;
  auto at = nodes_.find(path);
  if (at == nodes_.end()) at = nodes_.find(parent_of(path));
  return at != nodes_.end() && at->second.perms.owner == who;
}

std::map<std::string, std::string> Tree::dump(const std::string& below) const {
  std::map<std::string, std::string> all;
  for (const auto& [path, node] : nodes_)
    if (below.empty() || path == below || path.starts_with(below + "/")) all[path] = node.value;
  return all;
}

}  // namespace pciassign::sim
