#include "actor/rollout.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "common/retry.h"

namespace sojourn::actor {
namespace {

double Now() { return absl::GetCurrentTimeNanos() * 1e-9; }

bool IsRandom(const v1::Assignment& assignment) { return assignment.mode() == v1::RANDOM_VALID; }

constexpr int kMostBlockingThreads = 256;

// The pause before an episode is started again for the nth time, the first is 0.
absl::Duration PauseBefore(int retry) {
  return std::min(absl::Milliseconds(250) * (1 << std::min(retry, 10)), absl::Seconds(15));
}

// The environment's fault of the moment, and not the assignment's for ever.
bool MayPass(const absl::Status& status) {
  return IsTransient(status) || absl::IsDataLoss(status) || absl::IsCancelled(status) ||
         absl::IsInternal(status) || absl::IsUnknown(status);
}

}  // namespace

struct Rollout::Group {
  struct Member {
    std::unique_ptr<Episode> episode;
    EpisodeOptions options;
    int64_t id = -1;        // the engine's; -1: it does not hold the episode
    int retries = 0;
    bool starting = false;  // counted in starting_
    bool waiting = false;   // counted in waiting_: a call of the environment is under way, or due
    absl::Time called;      // when the call began, if it is under way
    double counted_seconds = 0;
  };
  v1::Assignment assignment;
  envs::TaskId task;
  std::shared_ptr<const envs::Environment> environment;
  std::vector<Member> members;
  size_t left = 0;      // members not finished
  bool opened = false;  // the members of the beginning were given to the engine
};

Rollout::Rollout(const JobSetup& setup, int slots, ActorMetrics& metrics, Sink sink)
    : setup_(setup), slots_(slots), metrics_(metrics), sink_(std::move(sink)) {}

Rollout::~Rollout() {
  while (!groups_.empty()) Forget(groups_.begin()->first);
  pool_.reset();
}

policy::EngineOptions Rollout::engine_options() const {
  policy::EngineOptions options;
  options.slots = slots_;
  options.prefill_chunk = 256;
  options.max_context_tokens = setup_.config().policy().max_context_tokens();
  options.max_episodes =
      slots_ + setup_.largest_group() - 1;  // a group opens while one slot is free
  const std::string& weights = setup_.config().policy().rollout_weights();
  if (weights == "bfloat16") options.weight_format = policy::WeightFormat::kBfloat16;
  if (weights == "int8") options.weight_format = policy::WeightFormat::kInt8;
  return options;
}

void Rollout::Add(v1::Assignment assignment) {
  if (IsRandom(assignment)) {
    random_queue_.push_back(std::move(assignment));
  } else {
    queue_[{assignment.name().arm(), assignment.policy_version()}].push_back(std::move(assignment));
  }
}

void Rollout::Drop(uint32_t arm) {
  std::erase_if(queue_, [&](const auto& entry) { return entry.first.arm == arm; });
  std::erase_if(random_queue_, [&](const v1::Assignment& a) { return a.name().arm() == arm; });
  std::vector<Group*> dropped;
  for (const auto& [group, owned] : groups_) {
    if (group->assignment.name().arm() == arm) dropped.push_back(group);
  }
  for (Group* group : dropped) Forget(group);
}

std::optional<PolicyName> Rollout::MissingPolicy() const {
  if (queue_.empty() || !groups_.empty()) return std::nullopt;
  const PolicyName& next = queue_.begin()->first;
  if (engine_ != nullptr && engine_policy_ == next) return std::nullopt;
  return next;
}

std::vector<PolicyName> Rollout::NextPolicies() const {
  std::vector<PolicyName> names;
  for (const auto& [name, assignments] : queue_) {
    if (engine_ == nullptr || name != engine_policy_) names.push_back(name);
  }
  return names;
}

void Rollout::SetEngine(const PolicyName& name, std::unique_ptr<policy::Engine> engine) {
  engine_ = std::move(engine);
  engine_policy_ = name;
  metrics_.policy_version.Set(name.version);
}

std::vector<v1::Assignment> Rollout::GiveBack(const PolicyName& name) {
  std::vector<v1::Assignment> given;
  if (const auto found = queue_.find(name); found != queue_.end()) {
    given.assign(found->second.begin(), found->second.end());
    queue_.erase(found);
  }
  return given;
}

void Rollout::FailNext(const absl::Status& status) {
  if (queue_.empty()) return;
  const v1::Assignment assignment = PopNext();
  Fail(assignment, status);
}

v1::Assignment Rollout::PopNext() {
  std::deque<v1::Assignment>& first = queue_.begin()->second;
  v1::Assignment assignment = std::move(first.front());
  first.pop_front();
  if (first.empty()) queue_.erase(queue_.begin());
  return assignment;
}

size_t Rollout::queued_episodes() const {
  size_t episodes = 0;
  for (const auto& [name, assignments] : queue_) {
    for (const v1::Assignment& assignment : assignments) episodes += assignment.episodes();
  }
  for (const v1::Assignment& assignment : random_queue_) episodes += assignment.episodes();
  return episodes;
}

size_t Rollout::queued_groups() const {
  size_t groups = random_queue_.size();
  for (const auto& [name, assignments] : queue_) groups += assignments.size();
  return groups;
}

std::unique_ptr<envs::Instance> Rollout::TakeInstance(const v1::Assignment& assignment,
                                                      const envs::Environment& environment) {
  std::vector<std::unique_ptr<envs::Instance>>& spare = SpareInstances(assignment);
  if (spare.empty()) return environment.NewInstance();
  std::unique_ptr<envs::Instance> instance = std::move(spare.back());
  spare.pop_back();
  return instance;
}

void Rollout::CountEnvironmentTime(const Episode& episode, double before) {
  metrics_.environment_seconds.Increment(std::max(0.0, episode.environment_seconds() - before));
}

absl::StatusOr<std::shared_ptr<Rollout::Group>> Rollout::MakeGroup(v1::Assignment assignment) {
  const auto environment = setup_.FindEnvironment(assignment.environment(), assignment.variant());
  if (!environment.ok()) return environment.status();
  const absl::StatusOr<envs::Split> split = envs::ParseSplit(assignment.split());
  if (!split.ok()) return split.status();
  if (IsRandom(assignment) && !assignment.evaluation()) {
    return absl::InvalidArgumentError("random actions cannot be trained on");
  }
  if (assignment.episodes() == 0 ||
      assignment.episodes() > static_cast<uint32_t>(setup_.largest_group())) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a group of ", assignment.episodes(), " episodes; expected 1 to ", setup_.largest_group()));
  }
  if (assignment.max_turns() == 0) return absl::InvalidArgumentError("max_turns is 0");
  const v1::JobConfig& config = setup_.config();
  auto group = std::make_shared<Group>();
  for (uint32_t member = 0; member < assignment.episodes(); ++member) {
    Group::Member& made = group->members.emplace_back();
    EpisodeOptions& options = made.options;
    options.max_turns = assignment.max_turns();
    options.max_context_tokens = config.policy().max_context_tokens();
    options.invalid_action_reward = config.rollout().invalid_action_reward();
    options.transcript = assignment.want_transcript() && member == 0;
    options.messages = setup_.as_messages() && !IsRandom(assignment);
    options.read_action = (*environment)->spec().read_action;
    made.episode = std::make_unique<Episode>(TakeInstance(assignment, **environment),
                                             IsRandom(assignment) ? nullptr : setup_.chat_or_null(),
                                             options);
  }
  group->left = group->members.size();
  group->task = {*split, assignment.difficulty(), assignment.task_index()};
  group->environment = *environment;
  group->assignment = std::move(assignment);
  return group;
}

absl::Status Rollout::StartEpisodes(Group& group) {
  const envs::Spec& spec = group.environment->spec();
  const bool instructions = setup_.config().policy().instructions();
  for (Group::Member& member : group.members) {
    const absl::Status status = member.episode->Start(
        group.task, instructions ? spec.instructions : "", instructions ? spec.acceptance : "",
        &member != &group.members[0] ? group.members[0].episode.get() : nullptr);
    CountEnvironmentTime(*member.episode, 0);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void Rollout::PlayRandomly(v1::Assignment assignment) {
  const absl::StatusOr<std::shared_ptr<Group>> made = MakeGroup(assignment);
  if (!made.ok()) return Fail(assignment, made.status());
  Group& group = **made;
  if (group.environment->spec().blocking) {
    groups_[&group] = *made;
    for (uint32_t member = 0; member < group.members.size(); ++member) Submit(&group, member);
    return;
  }
  absl::Status status = StartEpisodes(group);
  const RandomKey key(assignment.random_key());
  for (uint32_t member = 0; member < group.members.size() && status.ok(); ++member) {
    Episode& episode = *group.members[member].episode;
    const double before = episode.environment_seconds();
    while (!episode.done() && status.ok()) {
      status = episode.TakeRandomAction(key.With(member).With(episode.turns()));
    }
    CountEnvironmentTime(episode, before);
  }
  if (!status.ok()) return Fail(assignment, status);
  for (uint32_t member = 0; member < group.members.size(); ++member) HandOut(group, member);
}

// A failed assignment is handed to the sink; only the engine's errors are returned.
absl::Status Rollout::OpenGroup(v1::Assignment assignment) {
  const absl::StatusOr<std::shared_ptr<Group>> made = MakeGroup(assignment);
  if (!made.ok()) {
    Fail(assignment, made.status());
    return absl::OkStatus();
  }
  Group* const group = made->get();
  std::vector<uint32_t> members(group->members.size());
  for (uint32_t member = 0; member < members.size(); ++member) members[member] = member;
  if (group->environment->spec().blocking) {
    groups_[group] = *made;
    for (const uint32_t member : members) Submit(group, member);
    return absl::OkStatus();
  }
  if (const absl::Status status = StartEpisodes(*group); !status.ok()) {
    Fail(assignment, status);
    return absl::OkStatus();
  }
  groups_[group] = *made;
  group->opened = true;
  return Open(group, members);
}

absl::Status Rollout::Open(Group* group, const std::vector<uint32_t>& members) {
  if (members.empty()) return absl::OkStatus();
  const absl::StatusOr<std::vector<int64_t>> ids = engine_->OpenGroup(
      group->members[members[0]].episode->prompt(), static_cast<int>(members.size()));
  if (!ids.ok()) return Refused(group, ids.status());
  for (size_t i = 0; i < members.size(); ++i) {
    Group::Member& member = group->members[members[i]];
    starting_ -= std::exchange(member.starting, false);
    member.id = (*ids)[i];
    live_[member.id] = {group, members[i]};
  }
  for (size_t i = 0; i < members.size(); ++i) {
    const absl::Status status = Respond((*ids)[i], {group, members[i]});
    if (!status.ok()) return Refused(group, status);
  }
  return absl::OkStatus();
}

absl::Status Rollout::Refused(Group* group, const absl::Status& status) {
  if (!absl::IsInvalidArgument(status) && !absl::IsOutOfRange(status)) return status;
  Fail(group->assignment, status);
  Forget(group);
  return absl::OkStatus();
}

absl::Status Rollout::Respond(int64_t id, const Seat& seat) {
  const v1::Assignment& assignment = seat.group->assignment;
  const v1::Rollout& rollout = setup_.config().rollout();
  const Episode& episode = *seat.group->members[seat.member].episode;
  policy::ResponseRequest request;
  if (episode.turns() > 0) request.prompt = episode.prompt();  // the first one was opened with
  request.messages = episode.messages();
  if (assignment.mode() == v1::GREEDY) {
    request.sampling.temperature = 0;
  } else {
    request.sampling = {rollout.temperature(), rollout.top_p(), static_cast<int>(rollout.top_k())};
  }
  request.max_tokens = rollout.max_turn_tokens();
  if (!setup_.as_messages()) request.stop_tokens = setup_.chat().stop_tokens();
  request.key = RandomKey(assignment.random_key()).With(seat.member).With(episode.turns());
  return engine_->Respond(id, std::move(request));
}

// ---- environments that block ---------------------------------------------------------------------

void Rollout::Submit(Group* group, uint32_t index) {
  if (pool_ == nullptr) {
    pool_ = std::make_unique<BlockingPool>(
        std::min(slots_ + setup_.largest_group(), kMostBlockingThreads));
  }
  Group::Member& member = group->members[index];
  waiting_ += !std::exchange(member.waiting, true);
  member.called = absl::Now();
  Call call{groups_.at(group), index};
  Episode* const episode = member.episode.get();
  std::function<absl::Status()> work;
  if (IsRandom(group->assignment)) {
    starting_ += !std::exchange(member.starting, true);
    const RandomKey key = RandomKey(group->assignment.random_key()).With(index);
    work = [episode, task = group->task, key] {
      episode->Reset(task);
      absl::Status status = episode->Started("", "");
      while (status.ok() && !episode->done()) {
        status = episode->TakeRandomAction(key.With(episode->turns()));
      }
      return status;
    };
  } else if (member.id < 0) {
    starting_ += !std::exchange(member.starting, true);
    work = [episode, task = group->task] {
      episode->Reset(task);
      return episode->environment_status();
    };
  } else {
    ++playing_;
    work = [episode] {
      episode->Play();
      return episode->environment_status();
    };
  }
  pool_->Run([ends = ends_, wake = sink_.wake, call = std::move(call), work = std::move(work)] {
    Call end = call;
    end.status = work();
    {
      std::lock_guard lock(ends->mutex);
      ends->calls.push_back(std::move(end));
    }
    wake();
  });
}

// Takes what environments have answered, and begins what is due; false when there was nothing.
absl::StatusOr<bool> Rollout::TakeCalls() {
  std::vector<Call> calls;
  {
    std::lock_guard lock(ends_->mutex);
    calls.swap(ends_->calls);
  }
  for (Call& call : calls) {
    const absl::Status status = TakeCall(std::move(call));
    if (!status.ok()) return status;
  }
  const absl::Time now = absl::Now();
  std::vector<Call> due;
  std::erase_if(delayed_, [&](Call& call) {
    if (call.due > now) return false;
    due.push_back(std::move(call));
    return true;
  });
  for (const Call& call : due) {
    if (groups_.contains(call.group.get())) Submit(call.group.get(), call.member);
  }
  return !calls.empty() || !due.empty();
}

absl::Status Rollout::TakeCall(Call call) {
  Group* const group = call.group.get();
  if (!groups_.contains(group)) return absl::OkStatus();  // it was given up meanwhile
  Group::Member& member = group->members[call.member];
  waiting_ -= std::exchange(member.waiting, false);
  if (member.id >= 0) --playing_;
  CountEnvironmentTime(*member.episode, std::exchange(member.counted_seconds,
                                                      member.episode->environment_seconds()));
  const std::string& environment = group->assignment.environment();
  if (!call.status.ok()) {
    const auto [failing, is_new] = failing_.try_emplace(environment);
    if (is_new) failing->second.since = member.called;
    ++failing->second.failures;
    failing->second.last = call.status;
    return TryAgain(group, call.member, call.status);
  }
  failing_.erase(environment);
  if (IsRandom(group->assignment)) {
    Finish(group, call.member);
    return absl::OkStatus();
  }
  if (member.id >= 0) return TakeTurn(group, call.member);

  const envs::Spec& spec = group->environment->spec();
  const bool instructions = setup_.config().policy().instructions();
  const absl::Status status = member.episode->Started(instructions ? spec.instructions : "",
                                                      instructions ? spec.acceptance : "");
  // An observation that is too long for the context is this environment's fault, and not the job's:
  // nothing here promises that it says the same again.
  if (!status.ok()) {
    return TryAgain(group, call.member, absl::ResourceExhaustedError(status.message()));
  }
  if (member.episode->done()) {
    const auto held = call.group;
    Finish(group, call.member);
    return group->opened || !groups_.contains(group) ? absl::OkStatus() : OpenWhenAllStarted(group);
  }
  if (group->opened) return Open(group, {call.member});
  return OpenWhenAllStarted(group);
}

std::pair<std::string, absl::Time> Rollout::WaitingForEnvironment() const {
  std::pair<std::string, absl::Time> longest{"", absl::InfiniteFuture()};
  const auto wait = [&](absl::Time since, const std::string& environment, const std::string& why) {
    if (since < longest.second) {
      longest = {absl::StrCat("the environment ", environment, why), since};
    }
  };
  for (const auto& [group, owned] : groups_) {
    const std::string& environment = group->assignment.environment();
    if (const auto failing = failing_.find(environment); failing != failing_.end()) {
      wait(failing->second.since, environment,
           absl::StrCat(": ", failing->second.failures, " failures in a row, the last ",
                        failing->second.last.ToString()));
      continue;
    }
    for (const Group::Member& member : group->members) {
      if (member.waiting) wait(member.called, environment, " to answer");
    }
  }
  return longest;
}

// So that the prompt of a group is read once.
absl::Status Rollout::OpenWhenAllStarted(Group* group) {
  std::vector<uint32_t> started;
  for (uint32_t i = 0; i < group->members.size(); ++i) {
    const Group::Member& member = group->members[i];
    if (member.waiting) return absl::OkStatus();
    if (!member.episode->done()) started.push_back(i);
  }
  group->opened = true;
  // Remote environments may tell each member something else; the engine shares one prompt.
  std::vector<uint32_t> alike, others;
  for (const uint32_t i : started) {
    const bool same =
        group->members[i].episode->prompt() == group->members[started[0]].episode->prompt();
    (same ? alike : others).push_back(i);
  }
  absl::Status status = Open(group, alike);
  for (size_t i = 0; i < others.size() && status.ok() && groups_.contains(group); ++i) {
    status = Open(group, {others[i]});
  }
  return status;
}

absl::Status Rollout::TryAgain(Group* group, uint32_t index, const absl::Status& status) {
  if (!MayPass(status)) {
    Fail(group->assignment, status);
    Forget(group);
    return absl::OkStatus();
  }
  const v1::Assignment& assignment = group->assignment;
  Group::Member& member = group->members[index];
  metrics_.CountEnvironmentError(assignment.environment(), status);
  const bool last = member.retries >= group->environment->spec().retries;
  spdlog::warn("group {}, member {}: {}, {}, difficulty {}, task {}: {}; {}",
               assignment.name().group(), index, assignment.environment(), assignment.split(),
               assignment.difficulty(), assignment.task_index(), status.ToString(),
               last ? "the episode is given up" : "the episode starts again");
  if (last) {
    metrics_.CountFailedEpisode(assignment.environment());
    member.episode->Fail(status);
    const std::shared_ptr<Group> held = groups_.at(group);
    Finish(group, index);
    return group->opened || IsRandom(assignment) || !groups_.contains(group)
               ? absl::OkStatus()
               : OpenWhenAllStarted(group);
  }
  if (member.id >= 0) {
    engine_->Close(member.id);
    live_.erase(member.id);
    member.id = -1;
  }
  starting_ += !std::exchange(member.starting, true);
  waiting_ += !std::exchange(member.waiting, true);
  member.called = absl::InfiniteFuture();
  member.episode = std::make_unique<Episode>(
      member.episode->ReleaseInstance(), IsRandom(assignment) ? nullptr : setup_.chat_or_null(),
      member.options);
  member.counted_seconds = 0;
  delayed_.push_back(
      {groups_.at(group), index, absl::Now() + PauseBefore(member.retries++), absl::OkStatus()});
  return absl::OkStatus();
}

// ---- turns ---------------------------------------------------------------------------------------

absl::Status Rollout::TakeTurn(Group* group, uint32_t index) {
  Group::Member& member = group->members[index];
  const absl::Status status = member.episode->Played();
  if (!status.ok()) {
    Fail(group->assignment, status);
    Forget(group);
    return absl::OkStatus();
  }
  if (member.episode->done()) {
    Finish(group, index);
    return absl::OkStatus();
  }
  const absl::Status asked = Respond(member.id, {group, index});
  return asked.ok() ? asked : Refused(group, asked);
}

// Hands an episode that is over out; with its last one the group is gone.
void Rollout::Finish(Group* group, uint32_t index) {
  Group::Member& member = group->members[index];
  starting_ -= std::exchange(member.starting, false);
  if (member.id >= 0) {
    engine_->Close(member.id);
    live_.erase(member.id);
    member.id = -1;
  }
  HandOut(*group, index);
  if (--group->left == 0) groups_.erase(group);
}

absl::StatusOr<bool> Rollout::Step() {
  const double start = Now();
  double model = 0;
  const double environment_before = metrics_.environment_seconds.Value();
  const auto account = [&] {
    metrics_.model_seconds.Increment(model);
    const double environment = metrics_.environment_seconds.Value() - environment_before;
    metrics_.other_seconds.Increment(std::max(0.0, Now() - start - model - environment));
    metrics_.live_episodes.Set(live_episodes());
    metrics_.queued_groups.Set(queued_groups());
  };
  const auto give_up = [&](const absl::Status& status) {
    std::vector<v1::Assignment> again;
    for (const auto& [group, owned] : groups_) again.push_back(group->assignment);
    while (!groups_.empty()) Forget(groups_.begin()->first);
    engine_.reset();
    for (v1::Assignment& assignment : again) Add(std::move(assignment));
    account();
    return status;
  };

  if (!random_queue_.empty()) {
    v1::Assignment assignment = std::move(random_queue_.front());
    random_queue_.pop_front();
    PlayRandomly(std::move(assignment));
    account();
    return true;
  }
  const absl::StatusOr<bool> took = TakeCalls();
  if (!took.ok()) return give_up(took.status());
  bool opened = *took;
  while (engine_ != nullptr && !queue_.empty() && queue_.begin()->first == engine_policy_ &&
         live_episodes() < static_cast<size_t>(slots_)) {
    const absl::Status status = OpenGroup(PopNext());
    if (!status.ok()) return give_up(status);
    opened = true;
  }
  if (live_.size() == playing_) {  // all wait for their environments
    account();
    return opened;
  }

  const policy::EngineStats stats = engine_->stats();
  const double model_start = Now();
  absl::StatusOr<std::vector<policy::Response>> responses = engine_->Step();
  model = Now() - model_start;
  if (!responses.ok()) return give_up(responses.status());
  metrics_.CountEngine(stats, engine_->stats());
  for (const policy::Response& response : *responses) {
    const auto found = live_.find(response.episode);
    if (found == live_.end())
      continue;  // its group failed on account of another member, just before
    const Seat seat = found->second;
    Episode& episode = *seat.group->members[seat.member].episode;
    absl::Status status = response.status;
    if (status.ok()) {
      episode.Read(response);
      if (episode.has_action() && seat.group->environment->spec().blocking) {
        Submit(seat.group, seat.member);
        continue;
      }
      const double before = episode.environment_seconds();
      if (episode.has_action()) episode.Play();
      CountEnvironmentTime(episode, before);
      status = TakeTurn(seat.group, seat.member);
      if (!status.ok()) return give_up(status);
    } else if (absl::IsOutOfRange(status) && episode.turns() > 0) {
      episode.Truncate();
      Finish(seat.group, seat.member);
    } else {
      Fail(seat.group->assignment, status);
      Forget(seat.group);
    }
  }
  account();
  return true;
}

void Rollout::HandOut(Group& group, uint32_t member) {
  const v1::Assignment& assignment = group.assignment;
  Episode& episode = *group.members[member].episode;
  metrics_.CountEpisode(assignment.environment(), assignment.difficulty(),
                        {.turns = episode.turns(),
                         .tokens = episode.generated_tokens(),
                         .invalid_actions = episode.invalid_actions(),
                         .reward = episode.environment_reward(),
                         .success = episode.success(),
                         .truncated = episode.truncated()});
  if (assignment.evaluation()) {
    v1::EpisodeResult result;
    *result.mutable_name() = assignment.name();
    result.set_row(assignment.row());
    result.set_member(member);
    episode.MoveInto(result);
    sink_.result(std::move(result));
  } else {
    // Nothing here says who played or when: the same assignment gives the same bytes.
    v1::Trajectory trajectory;
    *trajectory.mutable_name() = assignment.name();
    trajectory.set_member(member);
    trajectory.set_group_size(assignment.episodes());
    trajectory.set_environment(assignment.environment());
    trajectory.set_difficulty(assignment.difficulty());
    trajectory.set_task_index(assignment.task_index());
    trajectory.set_policy_version(assignment.policy_version());
    episode.MoveInto(trajectory);
    sink_.trajectory(assignment.learner_rank(), std::move(trajectory));
  }
  SpareInstances(assignment).push_back(episode.ReleaseInstance());
}

void Rollout::Fail(const v1::Assignment& assignment, const absl::Status& status) {
  sink_.failed(
      assignment,
      absl::Status(status.code(), absl::StrCat(assignment.environment(), ", ", assignment.split(),
                                               ", difficulty ", assignment.difficulty(), ", task ",
                                               assignment.task_index(), ": ", status.message())));
}

void Rollout::Forget(Group* group) {
  for (Group::Member& member : group->members) {
    if (member.waiting) member.episode->Cancel();
    if (member.waiting && member.id >= 0) --playing_;
    waiting_ -= std::exchange(member.waiting, false);
    starting_ -= std::exchange(member.starting, false);
    if (member.id < 0) continue;
    engine_->Close(member.id);
    live_.erase(member.id);
  }
  groups_.erase(group);
}

}  // namespace sojourn::actor
