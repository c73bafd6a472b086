#include "cli/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"

extern char** environ;

namespace sojourn::cli {

absl::StatusOr<ChildProcess> ChildProcess::Start(const Options& options) {
  const int log = open(options.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", options.log_path));

  // Everything that allocates happens before fork: the child may only make system calls.
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!options.environment.contains(text.substr(0, text.find('=')))) environment.push_back(text);
  }
  for (const auto& [name, value] : options.environment) environment.push_back(absl::StrCat(name, "=", value));
  std::vector<char*> argv, envp;
  for (const std::string& part : options.command) argv.push_back(const_cast<char*>(part.c_str()));
  for (const std::string& entry : environment) envp.push_back(const_cast<char*>(entry.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) {
    const absl::Status status = absl::ErrnoToStatus(errno, absl::StrCat("starting ", options.command[0]));
    close(log);
    return status;
  }
  if (pid == 0) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(0);   // the parent died before the line above
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(options.input < 0 ? open("/dev/null", O_RDONLY) : options.input, 0);
    dup2(options.output < 0 ? log : options.output, 1);
    dup2(log, 2);
    execve(argv[0], argv.data(), envp.data());
    dprintf(2, "cannot start %s: %s\n", argv[0], strerror(errno));
    _exit(127);
  }
  close(log);
  return ChildProcess(pid);
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  return *this;
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) WaitOrKill(absl::Now());
}

std::optional<ChildProcess::End> ChildProcess::Poll() {
  if (pid_ <= 0) return End{.clean = true, .how = "has ended"};
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = -1;
  if (WIFEXITED(status)) {
    return End{.clean = WEXITSTATUS(status) == 0, .how = absl::StrCat("exited with status ", WEXITSTATUS(status))};
  }
  return End{.how = absl::StrCat("was killed by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)), ")")};
}

void ChildProcess::Terminate() const {
  if (pid_ > 0) kill(pid_, SIGTERM);
}

ChildProcess::End ChildProcess::WaitOrKill(absl::Time deadline) {
  for (;;) {
    if (auto end = Poll()) return *end;
    if (absl::Now() >= deadline) break;
    absl::SleepFor(absl::Milliseconds(10));
  }
  kill(pid_, SIGKILL);
  for (;;) {
    if (auto end = Poll()) return *end;
    absl::SleepFor(absl::Milliseconds(1));
  }
}

absl::StatusOr<std::string> SiblingProgram(const std::string& name) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path path = self.parent_path() / name;
  if (error || !std::filesystem::exists(path)) {
    return absl::NotFoundError(absl::StrCat(path.string(), " does not exist; Sojourn's programs are built and installed "
                                                           "together: build all of them"));
  }
  return path.string();
}

std::string LastLines(const std::string& path, int lines) {
  std::ifstream in(path);
  std::deque<std::string> last;
  for (std::string line; std::getline(in, line);) {
    last.push_back(line);
    if (last.size() > static_cast<size_t>(lines)) last.pop_front();
  }
  return absl::StrJoin(last, "\n");
}

}  // namespace sojourn::cli
