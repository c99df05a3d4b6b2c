// SPDX-License-Identifier: GPL-2.0-or-later
#include "app.hpp"

#include <algorithm>
#include <ostream>

#include "definitions.hpp"

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
  const Options& options = std::get<Options>(parsed);
  const auto all = definitions();
  const auto command = std::find_if(
      all.begin(), all.end(), [&](const Command& one) { return options.command == one.name; });
  Output output(environment, options);
  return command->run(environment, options, output);
}

}  // namespace pciassign::cli
