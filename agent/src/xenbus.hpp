// SPDX-License-Identifier: GPL-2.0-or-later
// xenstore over the kernel's /dev/xen/xenbus. libxenstore's static archive is built without its
// reading thread, and loses watch events that come between a request and its answer; its messages
// (io/xs_wire.h) are few.
#pragma once
#include <memory>

#include "files.hpp"
#include "pciassign/store.hpp"

namespace pciassign::agent {

/// Speaks on a descriptor that is open for reading and writing. Permissions are the toolstack's:
/// set_perms() is refused.
std::unique_ptr<Store> make_xenbus_store(Fd fd);
/// ErrorKind::unavailable where there is no Xen.
Result<std::unique_ptr<Store>> open_xenbus();

}  // namespace pciassign::agent
