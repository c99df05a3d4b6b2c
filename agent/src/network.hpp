// SPDX-License-Identifier: GPL-2.0-or-later
// Guests' network interfaces: to the bridge, or routed.
#pragma once
#include <map>
#include <set>

#include "links.hpp"
#include "service.hpp"

namespace pciassign::agent {

class Network final : public Service {
 public:
  Network(Links& links, const NetConfig& config) : links_(links), config_(config) {}

  [[nodiscard]] Kind kind() const override { return Kind::vif; }
  Result<void> start() override;
  Result<void> look_around() override;
  void job_ended(int, int) override {}
  [[nodiscard]] bool ready() const override { return !nics_.empty(); }
  Outcome serve(const Backend& backend) override;
  void release(BackendId id) override;
  [[nodiscard]] bool bound(BackendId id) const override { return links_.bound(id); }
  [[nodiscard]] std::optional<std::uint64_t> traffic(BackendId id) const override;
  std::vector<std::string> stop() override { return {}; }

 private:
  struct Served {
    unsigned index = 0;  ///< Of the interface that was configured.
    std::vector<std::string> routes;
  };

  static std::string interface(BackendId id);
  Result<void> take_nic(const std::string& name, bool first);
  Result<void> configure(const Backend& backend, const std::string& name, Served& served);
  Result<void> configure_mtu(const Backend& backend, const std::string& name,
                             const std::string& like);

  Links& links_;
  NetConfig config_;
  std::map<std::string, unsigned> nics_;  ///< Those that work, and their numbers.
  std::map<BackendId, Served> served_;
};

}  // namespace pciassign::agent
