#include "actor/rollout.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sojourn::actor {
namespace {

double Now() { return absl::GetCurrentTimeNanos() * 1e-9; }

bool IsRandom(const v1::Assignment& assignment) { return assignment.mode() == v1::RANDOM_VALID; }

}  // namespace

struct Rollout::Group {
  v1::Assignment assignment;
  std::vector<Episode> episodes;  // by member
  std::vector<int64_t> ids;       // the engine's, by member; -1: closed
  size_t left = 0;                // members not finished
};

Rollout::Rollout(const JobSetup& setup, int slots, ActorMetrics& metrics, Sink sink)
    : setup_(setup), slots_(slots), metrics_(metrics), sink_(std::move(sink)) {}

Rollout::~Rollout() = default;

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
  if (queue_.empty() || !live_.empty()) return std::nullopt;
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

absl::StatusOr<std::unique_ptr<Rollout::Group>> Rollout::StartGroup(v1::Assignment assignment) {
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
  const envs::Spec& spec = (*environment)->spec();
  const bool instructions = config.policy().instructions();
  auto group = std::make_unique<Group>();
  for (uint32_t member = 0; member < assignment.episodes(); ++member) {
    EpisodeOptions options;
    options.max_turns = assignment.max_turns();
    options.max_context_tokens = config.policy().max_context_tokens();
    options.invalid_action_reward = config.rollout().invalid_action_reward();
    options.transcript = assignment.want_transcript() && member == 0;
    options.messages = setup_.as_messages() && !IsRandom(assignment);
    options.read_action = spec.read_action;
    Episode& episode = group->episodes.emplace_back(
        TakeInstance(assignment, **environment),
        IsRandom(assignment) ? nullptr : setup_.chat_or_null(), options);
    const absl::Status status =
        episode.Start({*split, assignment.difficulty(), assignment.task_index()},
                      instructions ? spec.instructions : "", instructions ? spec.acceptance : "",
                      member > 0 ? &group->episodes[0] : nullptr);
    CountEnvironmentTime(episode, 0);
    if (!status.ok()) return status;
  }
  group->left = group->episodes.size();
  group->ids.assign(group->episodes.size(), -1);
  group->assignment = std::move(assignment);
  return group;
}

void Rollout::PlayRandomly(v1::Assignment assignment) {
  absl::StatusOr<std::unique_ptr<Group>> group = StartGroup(assignment);
  if (!group.ok()) return Fail(assignment, group.status());
  const RandomKey key(assignment.random_key());
  for (uint32_t member = 0; member < assignment.episodes(); ++member) {
    Episode& episode = (*group)->episodes[member];
    const double before = episode.environment_seconds();
    while (!episode.done()) {
      const absl::Status status = episode.TakeRandomAction(key.With(member).With(episode.turns()));
      if (!status.ok()) return Fail(assignment, status);
    }
    CountEnvironmentTime(episode, before);
  }
  for (uint32_t member = 0; member < assignment.episodes(); ++member) HandOut(**group, member);
}

// A failed assignment is handed to the sink; only the engine's errors are returned.
absl::Status Rollout::OpenGroup(v1::Assignment assignment) {
  absl::StatusOr<std::unique_ptr<Group>> started = StartGroup(assignment);
  if (!started.ok()) {
    Fail(assignment, started.status());
    return absl::OkStatus();
  }
  Group* group = started->get();
  const absl::StatusOr<std::vector<int64_t>> ids =
      engine_->OpenGroup(group->episodes[0].prompt(), static_cast<int>(group->episodes.size()));
  groups_[group] = *std::move(started);
  if (!ids.ok()) return Refused(group, ids.status());
  group->ids = *ids;
  for (uint32_t member = 0; member < group->ids.size(); ++member)
    live_[group->ids[member]] = {group, member};
  for (uint32_t member = 0; member < group->ids.size(); ++member) {
    const absl::Status status = Respond(group->ids[member], {group, member});
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
  const Episode& episode = seat.group->episodes[seat.member];
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

absl::StatusOr<bool> Rollout::Step() {
  const double start = Now();
  double model = 0;
  const double environment_before = metrics_.environment_seconds.Value();
  const auto account = [&] {
    metrics_.model_seconds.Increment(model);
    const double environment = metrics_.environment_seconds.Value() - environment_before;
    metrics_.other_seconds.Increment(std::max(0.0, Now() - start - model - environment));
    metrics_.live_episodes.Set(live_.size());
    metrics_.queued_groups.Set(queued_groups());
  };
  const auto give_up = [&](const absl::Status& status) {
    std::vector<v1::Assignment> again;
    for (const auto& [group, owned] : groups_) again.push_back(group->assignment);
    groups_.clear();
    live_.clear();
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
  bool opened = false;
  while (engine_ != nullptr && !queue_.empty() && queue_.begin()->first == engine_policy_ &&
         live_.size() < static_cast<size_t>(slots_)) {
    const absl::Status status = OpenGroup(PopNext());
    if (!status.ok()) return give_up(status);
    opened = true;
  }
  if (live_.empty()) {
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
    Episode& episode = seat.group->episodes[seat.member];
    const double before = episode.environment_seconds();
    absl::Status status = response.status;
    if (status.ok()) {
      status = episode.TakeResponse(response);
    } else if (absl::IsOutOfRange(status) && episode.turns() > 0) {
      episode.Truncate();
      status = absl::OkStatus();
    }
    CountEnvironmentTime(episode, before);
    if (!status.ok()) {
      Fail(seat.group->assignment, status);
      Forget(seat.group);
    } else if (!episode.done()) {
      status = Respond(response.episode, seat);
      if (!status.ok()) status = Refused(seat.group, status);
      if (!status.ok()) return give_up(status);
    } else {
      engine_->Close(response.episode);
      live_.erase(found);
      seat.group->ids[seat.member] = -1;
      HandOut(*seat.group, seat.member);
      if (--seat.group->left == 0) groups_.erase(seat.group);
    }
  }
  account();
  return true;
}

void Rollout::HandOut(Group& group, uint32_t member) {
  const v1::Assignment& assignment = group.assignment;
  Episode& episode = group.episodes[member];
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
  for (const int64_t id : group->ids) {
    if (id < 0) continue;
    engine_->Close(id);
    live_.erase(id);
  }
  groups_.erase(group);
}

}  // namespace sojourn::actor
