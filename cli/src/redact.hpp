// SPDX-License-Identifier: GPL-2.0-or-later
/// \file
/// Takes out of texts what tells whose machine it is.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace pciassign::cli {

/// Replaces hardware addresses, UUIDs, IP addresses, serial numbers and given names. The same
/// thing is always replaced by the same word ("mac-1"), so that texts stay comparable.
class Redactor {
 public:
  /// Names (of domains, of the host) to be replaced as whole words, with the word's beginning.
  void add_name(const std::string& name, const std::string& word);
  std::string operator()(const std::string& text);

 private:
  std::string word_for(const std::string& kind, const std::string& found);
  std::map<std::string, std::string> names_;
  std::map<std::string, std::map<std::string, std::string>> known_;
};

}  // namespace pciassign::cli
