// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Where the answers to questions come from: the daemon, or without it the ports themselves.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "environment.hpp"
#include "output.hpp"
#include "pciassign/rpc_client.hpp"

namespace pciassign::cli {

class Source {
 public:
  /// The daemon if it answers; else the ports, after a remark.
  static Result<Source> open(Environment& environment, const Options& options, Output& output);

  Result<std::vector<DeviceView>> list();
  Result<DeviceView> show(const std::string& device);
  Result<rpc::PlanView> plan(const rpc::PlanParams& params);
  Result<std::vector<Finding>> explain(const rpc::ExplainParams& params);
  /// Whether there is a domain of that name.
  Result<bool> has_domain(const std::string& name);

 private:
  std::optional<rpc::Client> daemon_;
  std::unique_ptr<LocalToolstack> local_;
};

/// An array of Ts as a method answered it.
template <class T>
Result<std::vector<T>> read_array(const boost::json::value& answer) {
  if (!answer.is_array()) return fail(ErrorKind::failed, "the daemon's list is no list");
  std::vector<T> all;
  for (const boost::json::value& item : answer.as_array()) {
    Result<T> one = rpc::from_json<T>(item);
    if (!one) return tl::unexpected<Error>(one.error());
    all.push_back(std::move(*one));
  }
  return all;
}

/// Calls a method and reads its result as a T.
template <class T>
Result<T> call_as(rpc::Client& client, std::string_view method, boost::json::object params) {
  return client.call(method, std::move(params)).and_then([](const boost::json::value& value) {
    return rpc::from_json<T>(value);
  });
}

}  // namespace pciassign::cli
