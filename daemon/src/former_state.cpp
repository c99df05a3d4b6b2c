// SPDX-License-Identifier: GPL-2.0-or-later
#include "former_state.hpp"

#include <fmt/format.h>

#include "pciassign/config.hpp"
#include "pciassign/journal.hpp"
#include "state_files.hpp"

namespace pciassign::daemon {
namespace {

void tell(Log& log, const std::filesystem::path& file, bool taken_over, const std::string& why,
          std::vector<LogField> fields) {
  const std::string words =
      fmt::format("{} {}: {}", taken_over ? "taken over:" : "dropped:", file.string(), why);
  fields.push_back({"file", file.string()});
  if (taken_over) {
    log.info("former-record", words, std::move(fields));
  } else {
    log.warning("former-record", words, std::move(fields));
  }
}

std::vector<LogField> fields_of(const SettledRecord& record) {
  std::vector<LogField> fields{{"bdf", record.device.str()}};
  if (record.domid) {
    fields.push_back({"domain", record.domain_name});
    fields.push_back({"domid", std::to_string(*record.domid)});
  }
  return fields;
}

}  // namespace

Result<void> settle_former_state(const Ports& ports, const config::Paths& paths,
                                 const std::string& boot, Log& log) {
  StateFiles files(paths.runtime, boot);
  for (const auto& directory : {paths.runtime, paths.state}) {
    const auto records = settle_journal(directory / "journal", ports.journal, ports.store, boot);
    if (!records) return tl::unexpected<Error>(records.error());
    for (const SettledRecord& record : *records)
      tell(log, record.file, record.taken_over, record.why, fields_of(record));
    const auto notes = files.settle(directory, ports.xen, ports.store);
    if (!notes) return tl::unexpected<Error>(notes.error());
    for (const StateFiles::Settled& note : *notes)
      tell(log, note.file, note.taken_over, note.why, {});
  }
  const auto faults = ports.journal.faults();
  if (!faults) return tl::unexpected<Error>(faults.error());
  for (const JournalFault& fault : *faults) {
    std::vector<LogField> fields{{"file", fault.file.string()}};
    if (fault.device) fields.push_back({"bdf", fault.device->str()});
    log.warning("journal-file", fmt::format("{} ({})", fault.why, fault.hint), std::move(fields));
  }
  return {};
}

}  // namespace pciassign::daemon
