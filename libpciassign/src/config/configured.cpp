// SPDX-License-Identifier: LGPL-2.1-or-later
// assignments.d and domains.d together, and what stays of them while a file is bad.
#include <algorithm>
#include <iterator>

#include "add_domain.hpp"
#include "pciassign/config_domains.hpp"
#include "toml_files.hpp"

namespace pciassign::config {
namespace {

/// The problem because of which a former entry may only seem to be gone; null: it is gone.
Problem* hiding(std::vector<Problem>& problems, const std::string& name,
                const std::string& origin) {
  const std::filesystem::path file = file_of(origin);
  const auto found = std::find_if(problems.begin(), problems.end(), [&](const Problem& problem) {
    if (problem.minor) return false;
    return std::find(problem.domains.begin(), problem.domains.end(), name) !=
               problem.domains.end() ||
           (problem.whole && (problem.file == file || problem.file == file.parent_path()));
  });
  return found == problems.end() ? nullptr : &*found;
}

/// What stays comes first: these domains may have their devices already.
void join_domains(Configured& all, DriverDomains fresh, const DriverDomains& former) {
  for (const auto& [name, domain] : former) {
    if (fresh.contains(name)) continue;
    if (Problem* problem = hiding(all.problems, name, domain.origin);
        problem != nullptr && add_domain(all.domains, domain))
      problem->kept.push_back(name);
  }
  for (auto& [name, domain] : fresh) {
    const auto added = add_domain(all.domains, domain);
    if (added) continue;
    all.problems.push_back(problem_of_entry(file_of(domain.origin), name, added.error()));
    if (const auto before = former.find(name);
        before != former.end() && add_domain(all.domains, before->second))
      all.problems.back().kept.push_back(name);
  }
}

void join_assignments(Configured& all, Assignments fresh, const Assignments& former) {
  for (auto& [name, assignment] : fresh) {
    if (const auto apart = check_overlap(all.domains, assignment); apart) {
      all.assignments.emplace(name, std::move(assignment));
    } else {
      all.problems.push_back(problem_of_entry(file_of(assignment.origin), name, apart.error()));
    }
  }
  for (const auto& [name, assignment] : former) {
    if (all.assignments.contains(name)) continue;
    Problem* problem = hiding(all.problems, name, assignment.origin);
    if (problem == nullptr || !check_overlap(all.domains, assignment)) continue;
    all.assignments.emplace(name, assignment);
    problem->kept.push_back(name);
  }
}

}  // namespace

const Problem* Configured::problem_of(std::string_view domain) const {
  if (assignments.contains(domain) || domains.contains(domain)) return nullptr;
  const auto about = [&](const Problem& problem) {
    return !problem.minor && std::find(problem.domains.begin(), problem.domains.end(), domain) !=
                                 problem.domains.end();
  };
  const auto found = std::find_if(problems.begin(), problems.end(), about);
  return found == problems.end() ? nullptr : &*found;
}

Configured load_configured(const Paths& paths, const Configured& former) {
  Loaded<Assignments> assignments = load_assignments(paths.assignments);
  Loaded<DriverDomains> domains = load_driver_domains(paths.domains);
  Configured all;
  all.problems = std::move(assignments.problems);
  std::move(domains.problems.begin(), domains.problems.end(), std::back_inserter(all.problems));
  join_domains(all, std::move(domains.good), former.domains);
  join_assignments(all, std::move(assignments.good), former.assignments);
  return all;
}

}  // namespace pciassign::config
