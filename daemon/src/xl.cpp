// SPDX-License-Identifier: GPL-2.0-or-later
#include "xl.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "unique_fd.hpp"

namespace pciassign::daemon {
namespace {

/// As much of what it says as an error may have.
constexpr std::size_t kLastWords = 400;

constexpr int kNice = 10;

struct Child {
  pid_t pid = -1;
  std::string command, said;
  UniqueFd process, output;
  std::unique_ptr<Reactor::Descriptor> end, words;
  std::unique_ptr<Reactor::Timer> limit;
  std::chrono::milliseconds allowed{};
  bool killed = false;
  Xl::Done done;
};

/// Only what is safe between fork and exec of a process with several threads.
[[noreturn]] void become(char* const* argv, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Building a domain takes all of a processor; what the daemon does meanwhile is short, and the
  // new domain waits for it.
  ::setpriority(PRIO_PROCESS, 0, kNice);
  if (::getppid() != parent) ::_exit(127);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(nothing, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
  ::execv(argv[0], argv);
  ::_exit(127);
}

/// The last lines that fit, as one.
std::string last_words(const std::string& said) {
  std::string words = said.substr(said.size() - std::min(said.size(), kLastWords));
  if (words.size() < said.size()) words.erase(0, std::min(words.find('\n'), words.size()));
  while (!words.empty() && words.back() == '\n') words.pop_back();
  while (!words.empty() && words.front() == '\n') words.erase(0, 1);
  std::replace(words.begin(), words.end(), '\n', ';');
  return words;
}

class Processes final : public Xl {
 public:
  Processes(Reactor& reactor, std::function<std::string()> program)
      : reactor_(reactor), program_(std::move(program)) {}
  ~Processes() override {
    *alive_ = false;
    for (const auto& child : children_) {
      ::kill(child->pid, SIGKILL);
      ::waitpid(child->pid, nullptr, 0);
    }
  }
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  void run(std::vector<std::string> arguments, std::chrono::milliseconds limit,
           Done done) override {
    auto child = std::make_shared<Child>();
    child->command = fmt::format("xl {}", fmt::join(arguments, " "));
    child->allowed = limit;
    arguments.insert(arguments.begin(), program_());
    if (auto started = begin(arguments, *child); !started) {
      reactor_.post([done = std::move(done), started] { done(started); });
      return;
    }
    child->done = std::move(done);
    children_.push_back(child);
    child->words = reactor_.watch(child->output.get());
    child->words->on_readable([child = child.get()] { read(*child); });
    child->end = reactor_.watch(child->process.get());
    child->end->on_readable([this, child = child.get()] { over(*child); });
    child->limit = reactor_.make_timer();
    child->limit->at(std::chrono::steady_clock::now() + limit, [child = child.get()] {
      child->killed = true;
      ::kill(child->pid, SIGKILL);
    });
  }

 private:
  static Result<void> begin(std::vector<std::string>& arguments, Child& child) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno("cannot run " + arguments[0]);
    child.output = UniqueFd(ends[0]);
    const UniqueFd theirs(ends[1]);
    ::fcntl(theirs.get(), F_SETFL, 0);
    const pid_t parent = ::getpid();
    child.pid = ::fork();
    if (child.pid < 0) return fail_errno("cannot run " + arguments[0]);
    if (child.pid == 0) become(argv.data(), theirs.get(), parent);
    child.process = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
    if (child.process) return {};
    auto failed = fail_errno("cannot watch " + arguments[0]);
    ::kill(child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    return failed;
  }

  static void read(Child& child) {
    char text[512];
    ssize_t n = 0;
    while ((n = ::read(child.output.get(), text, sizeof(text))) > 0) {
      child.said.append(text, static_cast<std::size_t>(n));
      if (child.said.size() > 4 * kLastWords)
        child.said.erase(0, child.said.size() - 2 * kLastWords);
    }
    if (n == 0 && child.words) child.words->pause_reading();
  }

  void over(Child& ended) {
    int status = 0;
    ::waitpid(ended.pid, &status, 0);
    read(ended);
    const auto at = std::find_if(children_.begin(), children_.end(),
                                 [&](const auto& child) { return child.get() == &ended; });
    const std::shared_ptr<Child> child = *at;
    children_.erase(at);
    child->limit->cancel();
    Result<void> result;
    const std::string words = last_words(child->said);
    if (child->killed) {
      result = fail(ErrorKind::timed_out,
                    fmt::format("`{}` did not end within {} s and was killed: {}", child->command,
                                child->allowed.count() / 1000, words));
    } else if (status != 0) {
      result = fail(
          ErrorKind::failed,
          fmt::format("`{}` failed ({}): {}", child->command,
                      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), words));
    }
    // From the loop: this is called by the descriptor that goes with the child.
    reactor_.post([child, result, alive = alive_] {
      if (*alive) child->done(result);
    });
  }

  Reactor& reactor_;
  std::function<std::string()> program_;
  std::list<std::shared_ptr<Child>> children_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Xl> make_xl(Reactor& reactor, std::function<std::string()> program) {
  return std::make_unique<Processes>(reactor, std::move(program));
}

}  // namespace pciassign::daemon
