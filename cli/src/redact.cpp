// SPDX-License-Identifier: GPL-2.0-or-later
#include "redact.hpp"

#include <boost/regex.hpp>

namespace pciassign::cli {
namespace {

struct Kind {
  const char* word;
  boost::regex pattern;
  int group;  ///< What of the match is replaced.
};

const std::vector<Kind>& kinds() {
  // In this order: a UUID has parts that look like others.
  static const std::vector<Kind> all{
      {"uuid",
       boost::regex(
           "\\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\\b"),
       0},
      {"mac", boost::regex("\\b[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}\\b"), 0},
      {"serial",
       boost::regex(
           "(?i)\\bserial(?: ?(?:number|no\\.?))?\\s*[\"]?\\s*[:=]\\s*[\"]?([0-9A-Za-z_.-]+)"),
       1},
      {"ip",
       boost::regex(
           "(?<![\\d.])(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)\\.){3}(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)"
           "\\b(?!\\.\\d)"),
       0},
      {"ip6",
       boost::regex("(?<![0-9a-fA-F:.])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}(?![0-9a-fA-F:.])|"
                    "(?<![0-9a-fA-F:.])(?:[0-9a-fA-F]{1,4}:){1,6}:(?:[0-9a-fA-F]{1,4}:){0,5}[0-9a-"
                    "fA-F]{1,4}(?![0-9a-fA-F:.])"),
       0},
  };
  return all;
}

}  // namespace

void Redactor::add_name(const std::string& name, const std::string& word) {
  if (name.empty() || names_.contains(name)) return;
  names_[name] = word_for(word, name);
}

std::string Redactor::word_for(const std::string& kind, const std::string& found) {
  auto& of_kind = known_[kind];
  const auto [at, fresh] = of_kind.try_emplace(found);
  if (fresh) at->second = kind + "-" + std::to_string(of_kind.size());
  return at->second;
}

std::string Redactor::operator()(const std::string& text) {
  std::string out = text;
  for (const Kind& kind : kinds()) {
    std::string next;
    auto from = out.cbegin();
    for (boost::sregex_iterator it(out.cbegin(), out.cend(), kind.pattern), end; it != end; ++it) {
      const auto& part = (*it)[kind.group];
      next.append(from, part.first);
      next += word_for(kind.word, part.str());
      from = part.second;
    }
    next.append(from, out.cend());
    out = std::move(next);
  }
  for (const auto& [name, word] : names_) {
    // \Q..\E would end at a \E in the name; each character is quoted instead.
    std::string quoted;
    for (const char c : name) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '_') quoted += '\\';
      quoted += c;
    }
    const boost::regex whole("(?<![0-9A-Za-z_-])" + quoted + "(?![0-9A-Za-z_-])");
    out = boost::regex_replace(out, whole, word);
  }
  return out;
}

}  // namespace pciassign::cli
