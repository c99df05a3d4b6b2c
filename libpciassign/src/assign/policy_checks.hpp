// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// The checks of policy.cpp, by subject. Each returns one finding, also when all is well.
#pragma once
#include "pciassign/policy.hpp"

namespace pciassign::detail {

/// What a check needs of one wanted device.
struct Subject {
  const AttachFacts& facts;
  const DeviceSpec& spec;
  const Device& device;
};

Finding passed(const char* code, const Sbdf& device, std::string evidence);
/// A refusal, or a warning when the specification accepts `word`.
Finding refused(const Subject& subject, const char* code, std::string evidence, std::string remedy,
                std::string word = {});
/// The domain that owns the device, if any.
std::optional<DomId> owner_of(const AttachFacts& facts, const Sbdf& device);
/// Goes to, or is with, the domain that is judged.
bool stays_together(const AttachFacts& facts, const Sbdf& device);

// policy_device.cpp: the device by itself
Finding check_endpoint(const Subject& subject);
Finding check_dom0_use(const Subject& subject);
Finding check_reserved(const Subject& subject);
Finding check_owner(const Subject& subject);
Finding check_reset(const Subject& subject);
Finding check_iommu(const Subject& subject);
Finding check_remapping(const Subject& subject);

// policy_sharing.cpp: what it shares with others
Finding check_group(const Subject& subject);
Finding check_interrupt(const Subject& subject);
Finding check_pages(const Subject& subject);

}  // namespace pciassign::detail
