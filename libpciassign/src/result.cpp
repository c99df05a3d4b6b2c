// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pciassign/result.hpp"

#include <system_error>

namespace pciassign {

tl::unexpected<Error> fail_errno(std::string message, int err, std::string hint) {
  message += ": ";
  message += std::generic_category().message(err);
  return tl::unexpected<Error>(
      Error{ErrorKind::failed, {}, std::move(message), std::move(hint), err});
}

int exit_status(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::failed:
      return 1;
    case ErrorKind::usage:
      return 2;
    case ErrorKind::not_found:
      return 3;
    case ErrorKind::refused:
      return 4;
    case ErrorKind::busy:
      return 5;
    case ErrorKind::unavailable:
      return 6;
    case ErrorKind::timed_out:
      return 7;
  }
  return 1;
}

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::failed:
      return "failed";
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::not_found:
      return "not-found";
    case ErrorKind::refused:
      return "refused";
    case ErrorKind::busy:
      return "busy";
    case ErrorKind::unavailable:
      return "unavailable";
    case ErrorKind::timed_out:
      return "timed-out";
  }
  return "failed";
}

}  // namespace pciassign
