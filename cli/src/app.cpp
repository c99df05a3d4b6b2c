// SPDX-License-Identifier: GPL-2.0-or-later
#include "app.hpp"

#include <algorithm>
#include <map>
#include <ostream>

#include "commands.hpp"

namespace pciassign::cli {

int run(const std::vector<std::string>& words, Environment& environment) {
  std::variant<Options, ParseEnd> parsed = parse_words(words);
  if (const auto* end = std::get_if<ParseEnd>(&parsed)) {
    environment.out << end->text;
    if (!end->error) return end->status;
    // The words could not be read, but whoever asked for JSON gets JSON.
    Options options;
    options.json = std::find(words.begin(), words.end(), "--json") != words.end();
    return Output(environment, options).fail(*end->error);
  }
  using Command = int (*)(Environment&, const Options&, Output&);
  static const std::map<std::string, Command, std::less<>> commands{
      {"list", list_devices},  {"show", show_device},     {"plan", show_plan},
      {"status", show_status}, {"version", show_version}, {"attach", change},
      {"detach", change},      {"reserve", change},       {"release", change},
      {"create", create},
  };
  const Options& options = std::get<Options>(parsed);
  Output output(environment, options);
  return commands.at(options.command)(environment, options, output);
}

}  // namespace pciassign::cli
