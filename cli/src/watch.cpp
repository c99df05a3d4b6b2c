// SPDX-License-Identifier: GPL-2.0-or-later
// watch: what happens, as it happens.
#include <fmt/format.h>

#include <ctime>
#include <ostream>

#include "commands.hpp"
#include "source.hpp"
#include "text.hpp"

namespace pciassign::cli {
namespace {

std::string clock_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  std::array<char, 16> text{};
  std::strftime(text.data(), text.size(), "%H:%M:%S", &local);
  return text.data();
}

void print_event(std::ostream& out, const Paint& paint, const rpc::ChangeEvent& event) {
  std::string line;
  if (event.what == "step") {
    const rpc::StepEvent& step = event.step;
    line = fmt::format("  {}/{} {}: {}", step.index + 1, step.total, step.state,
                       printable(step.step.words));
    if (step.state == "done") line += fmt::format(" ({})", duration(step.step.took));
    if (step.step.error) line += ": " + printable(step.step.error->message);
  } else {
    line = paint.bold(event.what) + ": " + printable(event.title);
    if (!event.message.empty()) line += ": " + paint.red(printable(event.message));
  }
  out << clock_time() << "  " << line << std::endl;  // Whoever reads a pipe wants it now.
}

}  // namespace

int watch(Environment& environment, const Options& options, Output& output) {
  auto client = rpc::Client::connect(options.socket);
  if (!client) return output.fail(client.error());
  client->interrupted = environment.interrupted;
  const Paint paint(output.colour());
  client->on_event = [&](const rpc::ChangeEvent& event) {
    if (output.json()) {
      output.text() << boost::json::serialize(rpc::to_json(event)) << std::endl;
    } else {
      print_event(output.text(), paint, event);
    }
  };
  if (const auto watching = client->call("watch", {}); !watching)
    return output.fail(watching.error());
  const auto ended = client->follow();
  return ended ? 0 : output.fail(ended.error());
}

}  // namespace pciassign::cli
