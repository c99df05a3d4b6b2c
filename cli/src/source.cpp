// SPDX-License-Identifier: GPL-2.0-or-later
#include "source.hpp"

#include "pciassign/rpc_requests.hpp"

namespace pciassign::cli {

Result<Source> Source::open(Environment& environment, const Options& options, Output& output) {
  Source source;
  Result<rpc::Client> client = rpc::Client::connect(options.socket);
  if (client) {
    source.daemon_ = std::move(*client);
    return source;
  }
  Result<std::unique_ptr<LocalToolstack>> local = environment.open_local();
  if (!local) return tl::unexpected<Error>(local.error());
  output.remark("pciassignd is not running; reading Xen and sysfs directly");
  source.local_ = std::move(*local);
  return source;
}

Result<std::vector<DeviceView>> Source::list() {
  if (local_) return local_->toolstack().list();
  return daemon_->call("list", {}).and_then(read_array<DeviceView>);
}

Result<DeviceView> Source::show(const std::string& device) {
  const Result<Sbdf> sbdf = Sbdf::parse(device);
  if (!sbdf) return tl::unexpected<Error>(sbdf.error());
  if (local_) return local_->toolstack().show(*sbdf);
  return call_as<DeviceView>(*daemon_, "show", rpc::to_json(rpc::DeviceParams{sbdf->str()}));
}

Result<rpc::PlanView> Source::plan(const rpc::PlanParams& params) {
  if (local_) return rpc::make_plan(local_->toolstack(), params).map(rpc::view_of);
  return call_as<rpc::PlanView>(*daemon_, "plan", rpc::to_json(params));
}

Result<std::vector<Finding>> Source::explain(const rpc::ExplainParams& params) {
  if (local_) return rpc::explain(local_->toolstack(), params);
  return daemon_->call("explain", rpc::to_json(params)).and_then(read_array<Finding>);
}

Result<bool> Source::has_domain(const std::string& name) {
  std::optional<Error> error;
  if (local_) {
    const auto found = local_->toolstack().find_domain(name);
    if (!found) error = found.error();
  } else {
    const auto found = daemon_->call("domain", rpc::to_json(rpc::DomainParams{name, {}}));
    if (!found) error = found.error();
  }
  if (error && error->kind != ErrorKind::not_found) return tl::unexpected<Error>(*error);
  return !error;
}

}  // namespace pciassign::cli
