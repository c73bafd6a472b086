#include "cli/responder.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/json.h"
#include "common/shutdown.h"

namespace sojourn::cli {
namespace {

constexpr int kLinesOfLog = 8;

std::string Dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Responder>> Responder::Start(std::vector<std::string> command) {
  std::string log_path =
      (std::filesystem::temp_directory_path() / "sojourn-respond-XXXXXX").string();
  const int log = mkostemp(log_path.data(), O_CLOEXEC);
  if (log < 0) return absl::ErrnoToStatus(errno, absl::StrCat("making ", log_path));
  close(log);
  int to_child[2], from_child[2];
  if (pipe2(to_child, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "making a pipe");
  if (pipe2(from_child, O_CLOEXEC) != 0) {
    const absl::Status failed = absl::ErrnoToStatus(errno, "making a pipe");
    close(to_child[0]);
    close(to_child[1]);
    return failed;
  }
  signal(SIGPIPE, SIG_IGN);
  fcntl(to_child[1], F_SETFL, O_NONBLOCK);
  std::string name = std::filesystem::path(command[0]).filename().string();
  auto process = ChildProcess::Start({.command = std::move(command),
                                      .log_path = log_path,
                                      .input = to_child[0],
                                      .output = from_child[1]});
  close(to_child[0]);
  close(from_child[1]);
  if (!process.ok()) {
    close(to_child[1]);
    close(from_child[0]);
    return process.status();
  }
  return std::unique_ptr<Responder>(new Responder(*std::move(process), to_child[1], from_child[0],
                                                  std::move(log_path), std::move(name)));
}

Responder::Responder(ChildProcess process, int input, int output, std::string log_path,
                     std::string name)
    : process_(std::move(process)),
      input_(input),
      output_(output),
      lines_(output),
      log_path_(std::move(log_path)),
      name_(std::move(name)) {}

Responder::~Responder() {
  close(input_);
  process_.Terminate();
  process_.WaitOrKill(absl::Now() + absl::Seconds(2));
  close(output_);
  std::error_code ignored;
  std::filesystem::remove(log_path_, ignored);
}

absl::StatusOr<std::string> Responder::Begin(std::string_view instructions,
                                             std::string_view acceptance,
                                             std::string_view observation, absl::Duration timeout) {
  return Ask(Dump({{"instructions", instructions},
                   {"acceptance", acceptance},
                   {"observation", observation}}),
             timeout);
}

absl::StatusOr<std::string> Responder::Continue(std::string_view observation,
                                                absl::Duration timeout) {
  return Ask(Dump({{"observation", observation}}), timeout);
}

absl::StatusOr<std::string> Responder::Ask(const std::string& request, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  if (absl::Status sent = Write(request + "\n", deadline); !sent.ok()) return sent;
  const absl::StatusOr<std::optional<std::string>> line = lines_.Next(deadline);
  if (absl::IsDeadlineExceeded(line.status())) {
    return absl::DeadlineExceededError(
        absl::StrCat(name_, " gave no response within ", absl::FormatDuration(timeout)));
  }
  if (!line.ok()) return line.status();
  if (!line->has_value()) return Ended(deadline);
  const nlohmann::json answer = ParseJson(**line);
  if (answer.is_object() && answer.contains("response") && answer["response"].is_string()) {
    return answer["response"].get<std::string>();
  }
  if (answer.is_object() && answer.contains("error") && answer["error"].is_string()) {
    return absl::AbortedError(absl::StrCat(name_, ": ", answer["error"].get<std::string>()));
  }
  return absl::DataLossError(absl::StrCat(
      name_, " answered with something else than {\"response\": TEXT}: ", (*line)->substr(0, 200)));
}

absl::Status Responder::Write(std::string_view text, absl::Time deadline) {
  while (!text.empty()) {
    const ssize_t count = write(input_, text.data(), text.size());
    if (count > 0) {
      text.remove_prefix(count);
      continue;
    }
    if (errno == EPIPE) return Ended(deadline);
    if (errno != EAGAIN && errno != EINTR) {
      return absl::ErrnoToStatus(errno, absl::StrCat("writing to ", name_));
    }
    if (ShutdownRequested()) return absl::CancelledError("stopped");
    if (absl::Now() >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(name_, " does not read its input"));
    }
    pollfd waiting{input_, POLLOUT, 0};
    poll(&waiting, 1, 50);
  }
  return absl::OkStatus();
}

absl::Status Responder::Ended(absl::Time deadline) {
  const auto end = process_.WaitOrKill(std::min(deadline, absl::Now() + absl::Seconds(2)));
  const std::string log = LastLines(log_path_, kLinesOfLog);
  return absl::UnavailableError(absl::StrCat(name_, " ", end.how, log.empty() ? "" : ": ", log));
}

}  // namespace sojourn::cli
