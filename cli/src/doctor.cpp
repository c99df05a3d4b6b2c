// SPDX-License-Identifier: GPL-2.0-or-later
// doctor: is this host fit for what pciassign does?
#include <algorithm>
#include <ostream>

#include "commands.hpp"
#include "host_facts.hpp"
#include "pciassign/rpc_json.hpp"
#include "text.hpp"

namespace pciassign::cli {

int doctor(Environment& environment, const Options& options, Output& output) {
  const std::vector<Finding> findings = judge_host(collect_host_facts(environment, options));
  if (output.json()) {
    output.result(rpc::to_json_array(findings));
  } else {
    print_checks(output.text(), Paint(output.colour()), findings);
  }
  int status = 0;
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::warning) status = std::max(status, 1);
    if (finding.severity == Severity::refusal) status = 2;
  }
  return status;
}

}  // namespace pciassign::cli
