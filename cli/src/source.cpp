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
  const Result<boost::json::value> answer = daemon_->call("list", {});
  if (!answer) return tl::unexpected<Error>(answer.error());
  if (!answer->is_array()) return fail(ErrorKind::failed, "the daemon's list is no list");
  std::vector<DeviceView> views;
  for (const boost::json::value& item : answer->as_array()) {
    Result<DeviceView> view = rpc::from_json<DeviceView>(item);
    if (!view) return tl::unexpected<Error>(view.error());
    views.push_back(std::move(*view));
  }
  return views;
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

}  // namespace pciassign::cli
