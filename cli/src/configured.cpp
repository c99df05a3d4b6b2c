// SPDX-License-Identifier: GPL-2.0-or-later
#include "configured.hpp"

#include <algorithm>

#include "pciassign/rpc_json.hpp"
#include "text.hpp"

namespace pciassign::cli {
namespace fs = std::filesystem;

Result<config::Paths> daemon_paths(const Environment& environment) {
  auto config = config::load_daemon_config(environment.config_file);
  if (config) return std::move(config->paths);
  if (config.error().kind != ErrorKind::not_found) return tl::unexpected<Error>(config.error());
  return config::Paths{};
}

void remark_problems(Output& output, const std::vector<config::Problem>& problems) {
  for (const config::Problem& problem : problems) {
    if (!problem.minor) output.remark(printable(problem.error.message));
  }
}

bool has_problem(const config::Configured& configured, const fs::path& file) {
  return std::any_of(
      configured.problems.begin(), configured.problems.end(),
      [&](const config::Problem& problem) { return !problem.minor && problem.file == file; });
}

Result<void> check_readable(const config::Configured& configured, const std::string& domain,
                            const fs::path& file) {
  if (const config::Problem* problem = configured.problem_of(domain))
    return tl::unexpected<Error>(problem->error);
  for (const config::Problem& problem : configured.problems) {
    if (problem.whole && (problem.file == file || problem.file == file.parent_path()))
      return tl::unexpected<Error>(problem.error);
  }
  return {};
}

Result<void> reload(rpc::Client& client, const fs::path& written,
                    const std::function<void()>& put_back) {
  const auto answer = client.call("reload", {});
  if (!answer) {  // The former configuration stays.
    put_back();
    return tl::unexpected<Error>(answer.error());
  }
  const auto result = rpc::from_json<rpc::ReloadResult>(*answer);
  if (!result) return {};  // Of a daemon that only says that it did.
  for (const rpc::ProblemView& problem : result->problems) {
    if (problem.file != written.string()) continue;
    put_back();
    (void)client.call("reload", {});
    return fail(ErrorKind::usage, problem.what, problem.hint);
  }
  return {};
}

}  // namespace pciassign::cli
