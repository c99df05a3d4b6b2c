// SPDX-License-Identifier: LGPL-2.1-or-later
// The only file that sees libxlutil: Xen's own parser of xl.cfg(5).
#include "pciassign/config_xl.hpp"

#include <fmt/format.h>

extern "C" {
#include <libxlutil.h>
}

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>

#include "pciassign/uuid.hpp"

namespace pciassign::config {
namespace {

/// Where the parser writes its complaints.
class Report {
 public:
  Report() : file_(::open_memstream(&text_, &size_)) {}
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;
  ~Report() {
    if (file_ != nullptr) ::fclose(file_);
    std::free(text_);
  }
  [[nodiscard]] FILE* file() const { return file_; }
  /// The first complaint.
  [[nodiscard]] std::string first_line() const {
    ::fflush(file_);
    const std::string all(text_ == nullptr ? "" : text_);
    return all.substr(0, all.find('\n'));
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  FILE* file_;
};

struct DestroyConfig {
  void operator()(XLU_Config* config) const { xlu_cfg_destroy(config); }
};

class Reader {
 public:
  Reader(XLU_Config* config, const std::string& origin) : config_(config), origin_(origin) {}

  std::optional<std::string> text(const char* key) {
    const char* value = nullptr;
    const int rc = xlu_cfg_get_string(config_, key, &value, 1);
    if (rc == EINVAL) complain(key, "must be a string");
    return rc == 0 ? std::optional<std::string>(value) : std::nullopt;
  }
  std::optional<bool> flag(const char* key) {
    long value = 0;
    const int rc = xlu_cfg_get_long(config_, key, &value, 1);
    if (rc == EINVAL || rc == ERANGE) complain(key, "must be 0 or 1");
    return rc == 0 ? std::optional<bool>(value != 0) : std::nullopt;
  }
  /// Set to anything that does not say no.
  bool flag_or_text(const char* key) {
    long value = 0;
    if (xlu_cfg_get_long(config_, key, &value, 1) == 0) return value != 0;
    const char* text = nullptr;
    return xlu_cfg_get_string(config_, key, &text, 1) == 0;
  }
  std::vector<std::string> list(const char* key) {
    XLU_ConfigList* items = nullptr;
    int count = 0;
    const int rc = xlu_cfg_get_list(config_, key, &items, &count, 1);
    if (rc == EINVAL) complain(key, "must be a list: [ \"...\", ... ]");
    std::vector<std::string> result;
    if (rc != 0) return result;
    for (int i = 0; i < count; ++i) {
      const char* item = xlu_cfg_get_listitem(items, i);
      if (item == nullptr) {
        complain(key, "holds something that is no string");
        break;
      }
      result.emplace_back(item);
    }
    return result;
  }
  void complain(const std::string& key, const std::string& why) {
    if (!error_)
      error_ = fail(ErrorKind::usage, fmt::format("{}: {} {}", origin_, key, why)).value();
  }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  XLU_Config* config_;
  const std::string& origin_;
  std::optional<Error> error_;
};

DomainKind read_kind(Reader& reader) {
  // `builder` is the older word; `type` wins where both are given, as in xl.
  const std::string type = reader.text("type").value_or("");
  const std::string builder = reader.text("builder").value_or("");
  if (type == "hvm" || (type.empty() && builder == "hvm")) return DomainKind::hvm;
  if (type == "pvh") return DomainKind::pvh;
  if (!type.empty() && type != "pv") reader.complain("type", "must be \"pv\", \"pvh\" or \"hvm\"");
  return DomainKind::pv;
}

}  // namespace

Result<XlDomain> parse_xl_domain(std::string_view text, const std::string& origin) {
  if (text.size() >= std::numeric_limits<int>::max()) {
    return fail(ErrorKind::usage, origin + ": too large");
  }
  const auto begins = text.find_first_not_of(" \t\r\n");
  if (begins != std::string_view::npos && text[begins] == '(')
    return fail(
        ErrorKind::usage,
        fmt::format("{}: a domain in xend's own form (SXP), which xl does not read", origin),
        "write it as xl.cfg(5) says; its (device (pci ...)) may stand in pci = [ \"...\" ]");
  // Xen's parser takes the end of a C string for the end of a quoted one, and aborts.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos)
    return fail(ErrorKind::usage,
                fmt::format("{}:{}: a byte of zero: this is no text", origin,
                            1 + std::count(text.begin(),
                                           text.begin() + static_cast<std::ptrdiff_t>(nul), '\n')));
  // xl itself stumbles over a comment that ends the file without a newline; the copy has one.
  const std::string terminated = std::string(text) + "\n";
  const Report report;
  const std::unique_ptr<XLU_Config, DestroyConfig> config(
      xlu_cfg_init(report.file(), origin.c_str()));
  if (!config) return fail_errno("cannot read " + origin, ENOMEM);
  if (xlu_cfg_readdata(config.get(), terminated.data(), static_cast<int>(terminated.size())) != 0) {
    std::string why = report.first_line();
    return fail(ErrorKind::usage, why.empty() ? origin + ": not in xl.cfg(5)'s language" : why);
  }

  Reader reader(config.get(), origin);
  XlDomain domain;
  domain.name = reader.text("name").value_or("");
  domain.kind = read_kind(reader);
  domain.passthrough = reader.text("passthrough");
  domain.e820_host = reader.flag("e820_host");
  AssignOptions defaults;
  defaults.permissive = reader.flag("pci_permissive").value_or(false);
  defaults.msitranslate = reader.flag("pci_msitranslate").value_or(false);
  defaults.seize = reader.flag("pci_seize").value_or(false);
  defaults.power_mgmt = reader.flag("pci_power_mgmt").value_or(false);
  const std::vector<std::string> specs = reader.list("pci");
  if (domain.name.empty()) reader.complain("name", "is missing");
  if (!domain.name.empty() && domain.name.find_first_not_of("0123456789") == std::string::npos)
    reader.complain("name", "is a number, which xl takes for that of a domain");
  if (const auto written = reader.text("uuid")) {
    auto uuid = parse_uuid(*written);
    if (uuid)
      domain.uuid = std::move(*uuid);
    else
      reader.complain("uuid", "must be 8-4-4-4-12 hexadecimal digits");
  }
  if (!specs.empty() && reader.flag_or_text("gfx_passthru")) {
    reader.complain("gfx_passthru",
                    "is not supported: the device model would need the card before the domain is "
                    "made; use xl create");
  }
  if (domain.passthrough == "disabled" && !specs.empty()) {
    reader.complain("passthrough", "is \"disabled\", but pci= lists devices");
  }
  if (reader.error()) return tl::unexpected<Error>(*reader.error());
  for (const std::string& spec : specs) {
    Result<DeviceSpec> parsed = DeviceSpec::parse(spec, defaults);
    if (!parsed) {
      Error error = parsed.error();
      error.message = fmt::format("{}: pci: {}", origin, error.message);
      return tl::unexpected<Error>(std::move(error));
    }
    domain.devices.push_back(std::move(*parsed));
  }
  return domain;
}

std::string text_for_paused_creation(std::string_view text, const XlDomain& domain) {
  std::string copy(text);
  copy += "\n# Added by pciassign create: the devices are attached before the first instruction.\n";
  copy += "pci = []\n";
  if (!domain.uuid.empty()) copy += fmt::format("uuid = \"{}\"\n", domain.uuid);
  // Whether a domain may ever have devices is fixed at its creation, and libxl decides it by pci=.
  if (!domain.passthrough) copy += "passthrough = \"enabled\"\n";
  // xl forces the host's memory map upon a PV domain for the same reason.
  if (domain.kind == DomainKind::pv) copy += "e820_host = 1\n";
  return copy;
}

}  // namespace pciassign::config
