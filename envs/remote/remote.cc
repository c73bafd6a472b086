#include "envs/remote/remote.h"

#include <atomic>
#include <mutex>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "envs/option_values.h"
#include "envs/remote/seat.h"
#include "envs/remote/server_process.h"
#include "envs/remote/task_ranges.h"

namespace sojourn::envs {
namespace {

using remote::Reply;
using remote::Seat;
using remote::TaskRanges;

// What the instances of an environment share.
struct Shared {
  std::string contract, kind;
  const remote::AgentGymForm* form = nullptr;
  remote::OpenEnvFields fields;
  remote::SeatOptions seat;  // without the server's place where a command gives it
  TaskRanges train, test;
  std::unique_ptr<remote::ServerProcess> process;  // null: the server runs elsewhere

  const TaskRanges& ranges(Split split) const { return split == Split::kTrain ? train : test; }

  std::unique_ptr<Seat> NewSeat(const remote::SeatOptions& options) const {
    if (contract == "agentgym") return remote::NewAgentGymSeat(options, *form);
    if (contract == "openenv") return remote::NewOpenEnvSeat(options, fields);
    return remote::NewGrpcSeat(options, kind);
  }
};

class RemoteInstance : public Instance {
 public:
  explicit RemoteInstance(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}

  absl::StatusOr<Turn> Reset(const TaskId& task) override {
    playing_ = false;
    const auto number = shared_->ranges(task.split).Number(task.difficulty, task.index);
    if (!number.ok()) return number.status();
    remote::SeatOptions options = shared_->seat;
    if (shared_->process != nullptr) {
      auto url = shared_->process->Ensure(absl::Now() + options.timeout, cancelled_);
      if (!url.ok()) return Named(url.status());
      options.server.host = url->host;
      options.server.port = url->port;
    }
    if (seat_ == nullptr || options.server.port != port_) {  // at first; it was started again
      port_ = options.server.port;
      std::unique_ptr<Seat> old = shared_->NewSeat(options);
      std::lock_guard lock(mutex_);
      seat_.swap(old);
      if (cancelled_) {
        seat_->Cancel();
        if (old != nullptr) old->Cancel();
      }
    }
    return Take(seat_->Reset({task.split, task.difficulty, *number}));
  }

  absl::StatusOr<Turn> Step(std::string_view action) override {
    if (!playing_) {
      return absl::FailedPreconditionError("no remote task is being played; call Reset first");
    }
    return Take(seat_->Step(action));
  }

  std::vector<std::string> ValidActions() const override {
    if (!playing_) return {};
    if (!valid_actions_.empty()) return valid_actions_;
    return seat_->ValidActions();
  }

  absl::StatusOr<Advice> Expert() override {
    return absl::NotFoundError("a remote environment has no expert");
  }

  void Cancel() override {
    cancelled_ = true;
    std::lock_guard lock(mutex_);
    if (seat_ != nullptr) seat_->Cancel();
  }

 private:
  absl::Status Named(const absl::Status& status) const {
    return absl::Status(status.code(),
                        absl::StrCat("remote ", shared_->contract, ": ", status.message()));
  }

  absl::StatusOr<Turn> Take(absl::StatusOr<Reply> reply) {
    playing_ = reply.ok() && !reply->turn.done;
    if (!reply.ok()) return Named(reply.status());
    valid_actions_ = std::move(reply->valid_actions);
    return std::move(reply->turn);
  }

  const std::shared_ptr<const Shared> shared_;
  std::mutex mutex_;  // of what seat_ is
  std::unique_ptr<Seat> seat_;
  std::atomic<bool> cancelled_{false};
  bool playing_ = false;
  int port_ = 0;
  std::vector<std::string> valid_actions_;
};

class Remote : public Environment {
 public:
  Remote(std::shared_ptr<const Shared> shared, Spec spec)
      : shared_(std::move(shared)), spec_(std::move(spec)) {}

  const Spec& spec() const override { return spec_; }

  absl::StatusOr<int64_t> TaskCount(Split split, int difficulty) const override {
    std::vector<std::string> known;
    for (const DifficultySpec& d : spec_.difficulties) {
      if (d.difficulty == difficulty) return shared_->ranges(split).Count(difficulty);
      known.push_back(absl::StrCat(d.difficulty));
    }
    return absl::InvalidArgumentError(absl::StrCat("remote has no difficulty ", difficulty,
                                                   "; there are ", absl::StrJoin(known, ", ")));
  }

  std::unique_ptr<Instance> NewInstance() const override {
    return std::make_unique<RemoteInstance>(shared_);
  }

 private:
  const std::shared_ptr<const Shared> shared_;
  const Spec spec_;
};

std::string FormsNamed() {
  return absl::StrJoin(remote::AgentGymForms(), ", ",
                       [](std::string* out, const auto& form) { *out += form.kind; });
}

}  // namespace

const Spec& RemoteSpec() {
  static const auto* const spec = new Spec{
      .name = "remote",
      .difficulties = {{1, "the server's"}},
      .options =
          {{"contract", "", "agentgym, openenv or grpc: how the server is spoken to"},
           {"url", "", "http://HOST:PORT[/PATH]; with grpc the path does not count"},
           {"command", "",
            "instead of a place in url: a shell command that serves on port {port}, started with the "
            "first task and ended with the environment"},
           {"kind", "",
            "with agentgym: alfworld, babyai, searchqa, textcraft or webshop; with grpc: the server's "
            "name of it; its instructions and form of responses are taken where it is known here"},
           {"train", "", "the server's numbers of training tasks: 0-1799, 3-1799/40, 2:125-415"},
           {"test", "", "and of test tasks"},
           {"instructions", "", "the conversation's first turn, instead of the kind's"},
           {"acceptance", "", "and the answer to it"},
           {"action_field", "action", "with openenv: the action's member that is the text"},
           {"observation_field", "text", "with openenv: the observation's member that is the text"},
           {"turns", "20", "the turn limit of evaluations"},
           {"timeout_seconds", "30", "for each call, 1 to 3600"},
           {"max_bytes", "1048576", "of each answer"},
           {"max_retries", "4",
            "how often an episode is started again when the server fails, 0 to 100"}},
      .blocking = true};
  return *spec;
}

absl::StatusOr<std::unique_ptr<Environment>> MakeRemote(const Options& options) {
  OptionValues read(RemoteSpec(), options);
  auto shared = std::make_shared<Shared>();
  Spec spec = RemoteSpec();
  shared->contract = read.Text("contract");
  shared->kind = read.Text("kind");
  const bool agentgym = shared->contract == "agentgym", grpc = shared->contract == "grpc";
  if (!agentgym && !grpc && shared->contract != "openenv") {
    read.Fault("contract",
               absl::StrCat("\"", shared->contract, "\"; expected agentgym, openenv or grpc"));
  }
  if (agentgym) {
    shared->form = remote::FindAgentGymForm(shared->kind);
    if (shared->form == nullptr) {
      read.Fault("kind", absl::StrCat("\"", shared->kind, "\"; AgentGym's servers that are known: ",
                                      FormsNamed()));
    }
  }
  if (grpc && shared->kind.empty()) read.Fault("kind", "expected the server's name of the environment");
  const std::string command = read.Text("command"), url = read.Text("url");
  if (command.empty() && url.empty()) read.Fault("url", "expected http://HOST:PORT, or a command");
  if (!url.empty()) shared->seat.server = read.Value("url", remote::ParseUrl(url));
  shared->train = read.Value("train", TaskRanges::Parse(read.Text("train")));
  shared->test = read.Value("test", TaskRanges::Parse(read.Text("test")));
  std::set<int> difficulties;
  for (const TaskRanges* ranges : {&shared->train, &shared->test}) {
    for (const auto& [difficulty, count] : ranges->counts()) difficulties.insert(difficulty);
  }
  if (difficulties.empty()) {
    read.Fault("train", "no tasks; expected the server's numbers of them, as 0-1799");
  }
  shared->seat.timeout = absl::Seconds(read.Number("timeout_seconds", 1, 3600));
  shared->seat.max_bytes = read.Number("max_bytes", 1024, 64 << 20);
  spec.retries = static_cast<int>(read.Number("max_retries", 0, 100));
  spec.evaluation_turns = static_cast<int>(read.Number("turns", 1, 10000));
  shared->fields = {read.Text("action_field"), read.Text("observation_field")};
  if (!command.empty()) {
    auto process = remote::ServerProcess::Create(command);
    if (process.ok()) {
      shared->process = *std::move(process);
    } else {
      read.Fault("command", process.status().message());
    }
  }
  if (!read.status().ok()) return read.status();

  spec.difficulties.clear();
  const Spec* known = nullptr;
  if (shared->kind != spec.name) {
    if (const auto found = FindSpec(shared->kind); found.ok()) known = *found;
  }
  for (const int difficulty : difficulties) {
    spec.difficulties.push_back({difficulty, absl::StrCat("difficulty ", difficulty)});
  }
  if (known != nullptr) {
    spec.instructions = known->instructions;
    spec.acceptance = known->acceptance;
    spec.read_action = known->read_action;
    spec.write_response = known->write_response;
    if (!options.contains("turns")) spec.evaluation_turns = known->evaluation_turns;
  }
  if (options.contains("instructions")) spec.instructions = read.Text("instructions");
  if (options.contains("acceptance")) spec.acceptance = read.Text("acceptance");
  return std::make_unique<Remote>(std::move(shared), std::move(spec));
}

}  // namespace sojourn::envs
