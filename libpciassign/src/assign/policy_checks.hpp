// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The checks of policy.cpp, by subject. Each returns one finding, also when all is well. They are
/// functions of the facts and nothing else, and look at each device of the machine once at most.
#pragma once
#include <map>
#include <set>
#include <unordered_map>

#include "pciassign/policy.hpp"

namespace pciassign::detail {

/// The facts, with what is looked up often.
class Context {
 public:
  explicit Context(const AttachFacts& facts);
  const AttachFacts& facts;

  [[nodiscard]] const Device* find(const Sbdf& sbdf) const;
  [[nodiscard]] const Owner* owner_of(const Sbdf& sbdf) const;
  [[nodiscard]] bool wanted(const Sbdf& sbdf) const { return wanted_.contains(sbdf); }
  /// Goes to, or is with, the domain that is judged.
  [[nodiscard]] bool stays_together(const Sbdf& sbdf) const;
  /// Somebody else really uses it: a dom0 driver, or another domain. One that lies on pciback for
  /// nobody, or has no driver, does no harm (VFIO's rule for a viable group).
  [[nodiscard]] bool used_elsewhere(const Device& device) const;
  /// "0000:04:00.0 (e1000e)", "0000:04:00.0 (domain 3)".
  [[nodiscard]] std::string who_uses(const Device& device) const;

 private:
  std::unordered_map<std::uint32_t, const Device*> devices_;
  std::map<Sbdf, const Owner*> owners_;
  std::set<Sbdf> wanted_;
};

/// What a check needs of one wanted device.
struct Subject {
  const Context& context;
  const DeviceSpec& spec;
  const Device& device;
};

Finding passed(const char* code, const std::optional<Sbdf>& device, std::string evidence);
Finding warned(const char* code, const std::optional<Sbdf>& device, std::string evidence,
               std::string remedy);
/// A refusal, or a warning when `options` has what the code's `accept` says.
Finding refused(const char* code, const std::optional<Sbdf>& device, const AssignOptions& options,
                std::string evidence, std::string remedy);
Finding refused(const Subject& subject, const char* code, std::string evidence, std::string remedy);
bool below(const Device& device, const Sbdf& bridge);

// policy_device.cpp: the device by itself
Finding check_present(const Context& context, const DeviceSpec& spec);
Finding check_identity(const Subject& subject);
Finding check_endpoint(const Subject& subject);
Finding check_owner(const Subject& subject);
Finding check_in_xen(const Subject& subject);
Finding check_dom0_use(const Subject& subject);
Finding check_reserved(const Subject& subject);
Finding check_permissive(const Subject& subject);

// policy_host.cpp: what the machine can guarantee for it
Finding check_iommu(const Subject& subject);
Finding check_remapping(const Subject& subject);
Finding check_reserved_memory(const Subject& subject);
Finding check_reset(const Subject& subject);

// policy_sharing.cpp: what it shares with others
Finding check_group(const Subject& subject);
Finding check_interrupt(const Subject& subject);
Finding check_pages(const Subject& subject);

}  // namespace pciassign::detail
