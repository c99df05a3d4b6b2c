// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/sim/faults.hpp"

namespace pciassign::sim {

void Faults::fail_nth(std::size_t n, int error, When when) {
  faults_[calls_ + n] = {error, when};
}
void Faults::kill_nth(std::size_t n, When when) {
  faults_[calls_ + n] = {0, when};
}
void Faults::clear() {
  faults_.clear();
  failing_.clear();
}

std::size_t Faults::enter(const char* name) {
  log_.emplace_back(name);
  return ++calls_;
}

std::optional<Error> Faults::strike(std::size_t now, When when, const char* name) {
  if (when == When::before && failing_.contains(name))
    return fail_errno(std::string("injected into ") + name, EIO).value();
  const auto at = faults_.find(now);
  if (at == faults_.end() || at->second.when != when) return std::nullopt;
  if (at->second.error == 0) throw Killed{};
  return fail_errno(std::string("injected into ") + name, at->second.error).value();
}

}  // namespace pciassign::sim
