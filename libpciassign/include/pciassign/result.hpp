// SPDX-License-Identifier: LGPL-2.1-or-later
/// \file
/// Results and errors: recoverable errors are values, never exceptions.
#pragma once
#include <cerrno>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace pciassign {

/// What kind of thing went wrong. The command line maps each to an exit status (see exit_status()).
enum class ErrorKind {
  failed,       ///< An operation failed; what had been done was undone.
  usage,        ///< The request itself is malformed (bad address, unknown option).
  not_found,    ///< The named device or domain does not exist.
  refused,      ///< A policy check refuses; the message names the finding's code.
  busy,         ///< Something else uses the device or works on it now.
  unavailable,  ///< The daemon, Xen, xenstore or the pciback module is not there.
  timed_out,    ///< A bounded wait ended without the awaited event.
};

/// An error as a value: what happened, the errno if a system call or hypercall said so, and
/// what the user can do next.
struct Error {
  ErrorKind kind = ErrorKind::failed;  ///< What a program decides by.
  std::string code;     ///< Stable identifier, e.g. "E-NO-IOMMU"; empty when there is none.
  std::string message;  ///< One line: what and why.
  std::string hint;     ///< One line: what to do next; may be empty.
  int sys_errno = 0;    ///< errno, or 0.
  std::vector<Error> also =
      {};  ///< Further reasons: a request is judged in full, not up to the first.
};

/// A T, or why there is none.
template <class T>
using Result = tl::expected<T, Error>;

/// An Error to return: `return fail(ErrorKind::usage, "...", "...");`.
inline tl::unexpected<Error> fail(ErrorKind kind, std::string message, std::string hint = {},
                                  std::string code = {}) {
  return tl::unexpected<Error>(
      Error{kind, std::move(code), std::move(message), std::move(hint), 0});
}

/// An Error that carries \p err (default: the current errno) and its text after the message.
tl::unexpected<Error> fail_errno(std::string message, int err = errno, std::string hint = {});

/// Exit status of the command line for an error: failed 1, usage 2, not_found 3, refused 4,
/// busy 5, unavailable 6, timed_out 7.
int exit_status(ErrorKind kind) noexcept;
/// Stable lower-case name of the kind ("not-found"), used in JSON.
std::string_view to_string(ErrorKind kind) noexcept;

}  // namespace pciassign
