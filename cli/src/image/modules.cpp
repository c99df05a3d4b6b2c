// SPDX-License-Identifier: GPL-2.0-or-later
#include "modules.hpp"

#include <fmt/format.h>
#include <libkmod.h>

#include <memory>
#include <set>
#include <sstream>

namespace pciassign::image {
namespace {

struct Unref {
  void operator()(kmod_ctx* context) const { ::kmod_unref(context); }
};
struct FreeModules {
  void operator()(kmod_list* list) const { ::kmod_module_unref_list(list); }
};
struct FreeInfo {
  void operator()(kmod_list* list) const { ::kmod_module_info_free_list(list); }
};
using Modules = std::unique_ptr<kmod_list, FreeModules>;

/// What is in a module's .modinfo beside its dependencies.
struct Info {
  std::vector<std::string> firmware, before, after;
};

/// "pre: a b post: c"
void add_soft(const char* text, Info& info) {
  std::istringstream in(text);
  std::vector<std::string>* to = nullptr;
  for (std::string word; in >> word;) {
    if (word == "pre:") {
      to = &info.before;
    } else if (word == "post:") {
      to = &info.after;
    } else if (to != nullptr) {
      to->push_back(word);
    }
  }
}

Info info_of(const kmod_module* module) {
  Info info;
  kmod_list* raw = nullptr;
  if (::kmod_module_get_info(module, &raw) < 0) return info;
  const std::unique_ptr<kmod_list, FreeInfo> list(raw);
  for (const kmod_list* at = raw; at != nullptr; at = ::kmod_list_next(raw, at)) {
    const std::string_view key = ::kmod_module_info_get_key(at);
    if (key == "firmware") info.firmware.emplace_back(::kmod_module_info_get_value(at));
    if (key == "softdep") add_soft(::kmod_module_info_get_value(at), info);
  }
  return info;
}

class Walk {
 public:
  explicit Walk(kmod_ctx* context) : context_(context) {}

  /// False: the kernel knows nothing of that name.
  bool add(const std::string& name) {
    if (name.find('/') != std::string::npos) return add_file(name);
    kmod_list* raw = nullptr;
    if (::kmod_module_new_from_lookup(context_, name.c_str(), &raw) < 0) return false;
    const Modules list(raw);
    for (kmod_list* at = raw; at != nullptr; at = ::kmod_list_next(raw, at)) visit(at);
    return raw != nullptr;
  }
  std::vector<Module> all;

 private:
  struct UnrefModule {
    void operator()(kmod_module* module) const { ::kmod_module_unref(module); }
  };
  using HeldModule = std::unique_ptr<kmod_module, UnrefModule>;

  bool add_file(const std::string& file) {
    kmod_module* module = nullptr;
    if (::kmod_module_new_from_path(context_, file.c_str(), &module) < 0) return false;
    const HeldModule held(module);
    visit_module(module);
    return true;
  }

  void visit(kmod_list* at) {
    const HeldModule held(::kmod_module_get_module(at));
    visit_module(held.get());
  }

  void visit_module(const kmod_module* module) {
    const char* file = ::kmod_module_get_path(module);
    if (file == nullptr || !seen_.insert(::kmod_module_get_name(module)).second) return;
    Info info = info_of(module);
    for (const std::string& name : info.before) add(name);
    kmod_list* raw = ::kmod_module_get_dependencies(module);
    const Modules needed(raw);
    for (kmod_list* one = raw; one != nullptr; one = ::kmod_list_next(raw, one)) visit(one);
    all.push_back({::kmod_module_get_name(module), file, std::move(info.firmware)});
    for (const std::string& name : info.after) add(name);
  }

  kmod_ctx* context_;
  std::set<std::string> seen_;
};

}  // namespace

Result<std::vector<Module>> modules_in_order(const std::filesystem::path& tree,
                                             const std::string& version,
                                             const std::vector<Wanted>& wanted) {
  std::error_code ec;
  if (!std::filesystem::exists(tree / "modules.dep.bin", ec)) {
    return fail(ErrorKind::not_found,
                fmt::format("the modules of Linux {} are not there: no {}", version,
                            (tree / "modules.dep.bin").string()),
                "install that kernel's package, or name another kernel: --kernel FILE");
  }
  const char* const no_configuration[] = {nullptr};
  const std::unique_ptr<kmod_ctx, Unref> context(::kmod_new(tree.c_str(), no_configuration));
  if (!context || ::kmod_load_resources(context.get()) < 0)
    return fail(ErrorKind::failed, "cannot read the index of the modules in " + tree.string(),
                "write it anew: depmod " + version);
  ::kmod_set_log_fn(
      context.get(), [](void*, int, const char*, int, const char*, const char*, va_list) {},
      nullptr);
  Walk walk(context.get());
  for (const Wanted& one : wanted) {
    bool found = false;
    for (const std::string& name : one.names) {
      found = walk.add(name);
      if (found) break;
    }
    if (!found && !one.optional)
      return fail(
          ErrorKind::not_found,
          fmt::format("Linux {} has no module {} for {}", version, one.names.front(), one.why),
          "use a kernel that has it: --kernel FILE");
  }
  return std::move(walk.all);
}

}  // namespace pciassign::image
