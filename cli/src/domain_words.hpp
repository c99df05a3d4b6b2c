// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// What the words of `domain create` ask for, judged as far as words can be.
#pragma once
#include "domain_files.hpp"
#include "image/image.hpp"
#include "options.hpp"

namespace pciassign::cli {

struct DomainWish {
  DomainSpec domain;
  image::Spec image;  ///< Without the devices, which only the host knows.
};
Result<DomainWish> domain_wish(const Options& options, const Environment& environment);

}  // namespace pciassign::cli
