#include "actor/actor.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"

namespace sojourn::actor {
namespace {

// A version that no learner has for this long is given back: it may be needed no more, or by then.
constexpr absl::Duration kGoneAfter = absl::Seconds(10);
constexpr int kMostEngineFailures = 3;  // in a row

}  // namespace

Actor::Actor(ActorOptions options, ActorMetrics& metrics)
    : options_(std::move(options)),
      metrics_(metrics),
      setup_(absl::UnavailableError("no job yet")) {
  const RandomKey jitter = RandomKey(0).With(options_.name);  // of pauses alone
  receiver_ =
      std::make_unique<WeightsReceiver>(metrics_, jitter.With("weights"), [this] { Wake(); });
  TrajectorySender::Handlers sent;
  sent.delivered = [this](const v1::GroupName& name) {
    std::lock_guard lock(mu_);
    deliveries_.push_back({name, ""});
    woken_ = true;
    changed_.notify_all();
  };
  sent.refused = [this](const v1::GroupName& name, const std::string& error) {
    std::lock_guard lock(mu_);
    deliveries_.push_back({name, error});
    woken_ = true;
    changed_.notify_all();
  };
  sender_ =
      std::make_unique<TrajectorySender>(metrics_, jitter.With("trajectories"), std::move(sent));
  FleetSession::Handlers session;
  session.hello = [this] { return Hello(); };
  session.heartbeat = [this] { return Beat(); };
  session.message = [this](v1::CoordinatorToActor message) {
    std::lock_guard lock(mu_);
    messages_.push_back(std::move(message));
    woken_ = true;
    changed_.notify_all();
  };
  session_ = std::make_unique<FleetSession>(options_.coordinator, jitter.With("fleet"),
                                            std::move(session));
}

Actor::~Actor() {
  rollout_.reset();  // its threads wake this
  session_.reset();
  sender_.reset();
  receiver_.reset();
}

void Actor::Wake() {
  std::lock_guard lock(mu_);
  woken_ = true;
  changed_.notify_all();
}

v1::ActorHello Actor::Hello() {
  v1::ActorHello hello;
  hello.set_actor(options_.name);
  hello.set_slots(options_.slots);
  std::lock_guard lock(mu_);
  messages_.clear();  // of the old stream; what they said comes again
  said_hello_ = true;
  for (const auto& [key, held] : held_) *hello.add_held() = held.assignment;
  return hello;
}

v1::Heartbeat Actor::Beat() {
  v1::Heartbeat beat;
  bool idle;
  {
    std::lock_guard lock(mu_);
    beat.set_activity(activity_);
    idle = idle_;
  }
  const auto [whom, since] = WaitingFor();
  if (!whom.empty() && (idle || since > absl::Seconds(5))) {
    beat.set_waiting_for(whom);
    beat.set_waiting_seconds(absl::ToDoubleSeconds(since));
  }
  return beat;
}

std::pair<std::string, absl::Duration> Actor::WaitingFor() const {
  std::pair<std::string, absl::Duration> environment;
  {
    std::lock_guard lock(mu_);
    if (!environment_.first.empty()) {
      environment = {environment_.first, absl::Now() - environment_.second};
    }
  }
  return std::max({receiver_->waiting_for(), sender_->waiting_for(), trouble_->Get(), environment},
                  [](const auto& a, const auto& b) { return a.second < b.second; });
}

absl::Status Actor::Run(const std::function<bool()>& stop) {
  int engine_failures = 0;
  while (!stop()) {
    HandleEvents();
    bool worked = false;
    if (rollout_ != nullptr) {
      UsePolicy();
      const absl::StatusOr<bool> step = rollout_->Step();
      if (step.ok()) {
        worked = *step;
        if (worked) engine_failures = 0;
      } else {
        spdlog::error("the engine failed: {}", step.status().ToString());
        if (++engine_failures >= kMostEngineFailures) return step.status();
      }
      std::lock_guard lock(mu_);
      idle_ = !worked;
      environment_ = rollout_->WaitingForEnvironment();
      activity_ =
          worked ? absl::StrCat("playing ", rollout_->live_episodes(), " episodes") : "idle";
    }
    FlushNotices();
    GiveCredits();
    if (!worked) WaitForEvents(absl::Milliseconds(200));
  }
  return absl::OkStatus();
}

void Actor::WaitForEvents(absl::Duration longest) {
  const absl::Time start = absl::Now();
  const char* for_whom = "assignments";
  if (!session_->waiting_for().first.empty()) {
    for_whom = "coordinator";
  } else if (rollout_ != nullptr && rollout_->waiting_for_environments() > 0) {
    for_whom = "environments";
  } else if (rollout_ != nullptr && rollout_->queued_groups() > 0) {
    for_whom = "weights";
  } else if (sender_->full()) {
    for_whom = "learner";
  }
  {
    std::unique_lock lock(mu_);
    changed_.wait_for(lock, absl::ToChronoMilliseconds(longest), [&] { return woken_; });
    woken_ = false;
  }
  metrics_.CountWait(for_whom, absl::Now() - start);
}

void Actor::HandleEvents() {
  std::deque<v1::CoordinatorToActor> messages;
  std::deque<Delivery> deliveries;
  {
    std::lock_guard lock(mu_);
    messages.swap(messages_);
    deliveries.swap(deliveries_);
    stream_is_new_ |= said_hello_;
    said_hello_ = false;
  }
  for (const Delivery& delivery : deliveries) {
    {
      std::lock_guard lock(mu_);
      if (held_.erase(KeyOf(delivery.name, false, 0)) == 0) continue;  // revoked meanwhile
    }
    v1::ActorMessage notice;
    if (delivery.error.empty()) {
      *notice.mutable_delivered()->mutable_name() = delivery.name;
    } else {
      spdlog::error("the learner refused group {}: {}", delivery.name.group(), delivery.error);
      *notice.mutable_failed()->mutable_name() = delivery.name;
      notice.mutable_failed()->set_error(
          absl::StrCat("the learner refused a trajectory: ", delivery.error));
    }
    Notify(std::move(notice));
  }
  for (v1::CoordinatorToActor& message : messages) {
    switch (message.message_case()) {
      case v1::CoordinatorToActor::kWelcome:
        OnWelcome(message.welcome());
        break;
      case v1::CoordinatorToActor::kAssignment:
        OnAssignment(std::move(*message.mutable_assignment()));
        break;
      case v1::CoordinatorToActor::kEpisodeAck:
        OnEpisodeAck(message.episode_ack());
        break;
      case v1::CoordinatorToActor::kRevoke:
        OnRevoke(message.revoke().job_id(), message.revoke().arm());
        break;
      default:
        break;
    }
  }
}

void Actor::OnWelcome(const v1::ActorWelcome& welcome) {
  const std::vector<std::string> learners(welcome.learner_addresses().begin(),
                                          welcome.learner_addresses().end());
  if (welcome.job_id() != job_id_) {
    std::vector<std::pair<std::string, uint32_t>> over;
    {
      std::lock_guard lock(mu_);
      for (const auto& [key, held] : held_) over.emplace_back(std::get<0>(key), std::get<1>(key));
    }
    for (const auto& [job_id, arm] : over) OnRevoke(job_id, arm);
    rollout_.reset();
    trouble_->Clear();
    {
      std::lock_guard lock(mu_);
      environment_ = {};
    }
    job_id_ = welcome.job_id();
    receiver_->SetJob(job_id_, PolicyPath(welcome));
    setup_ = job_id_.empty() ? absl::UnavailableError("no job") : JobSetup::Load(welcome);
    if (setup_.ok()) {
      Rollout::Sink sink;
      sink.trajectory = [this](uint32_t rank, v1::Trajectory trajectory) {
        {
          std::lock_guard lock(mu_);
          if (!held_.contains(KeyOf(trajectory.name(), false, 0))) return;  // refused or given back
        }
        sender_->Send(rank, std::move(trajectory));
      };
      sink.result = [this](v1::EpisodeResult result) { OnResult(std::move(result)); };
      sink.failed = [this](const v1::Assignment& assignment, const absl::Status& status) {
        OnFailed(assignment, status);
      };
      sink.wake = [this] { Wake(); };
      rollout_ = std::make_unique<Rollout>(**setup_, options_.slots, metrics_, std::move(sink));
      spdlog::info("plays job {}", job_id_);
    } else if (!job_id_.empty()) {
      spdlog::error("job {} cannot be played: {}", job_id_, setup_.status().ToString());
    }
  }
  receiver_->SetLearners(learners);
  sender_->SetLearners(learners);
  if (stream_is_new_) {
    stream_is_new_ = false;
    credits_out_ = 0;
    std::lock_guard lock(mu_);
    for (const auto& [key, held] : held_) {
      for (const auto& [member, result] : held.results) {
        v1::ActorMessage message;
        *message.mutable_result() = result;
        (void)session_->Send(std::move(message));  // lost: the next welcome sends it again
      }
    }
  }
}

void Actor::OnAssignment(v1::Assignment assignment) {
  if (credits_out_ > 0) --credits_out_;
  {
    std::lock_guard lock(mu_);
    const HeldKey key = KeyOf(assignment.name(), assignment.evaluation(), assignment.row());
    const auto [held, is_new] = held_.try_emplace(key);
    if (!is_new) return;  // it comes again after a break; it is under way
    held->second.assignment = assignment;
  }
  if (assignment.name().job_id() != job_id_) {
    OnFailed(assignment,
             absl::FailedPreconditionError(absl::StrCat("the actor plays job \"", job_id_, "\"")));
  } else if (!setup_.ok()) {
    OnFailed(assignment, setup_.status());
  } else {
    rollout_->Add(std::move(assignment));
  }
}

void Actor::OnEpisodeAck(const v1::EpisodeAck& ack) {
  std::lock_guard lock(mu_);
  const auto found = held_.find(KeyOf(ack.name(), true, ack.row()));
  if (found == held_.end() || found->second.results.erase(ack.member()) == 0) return;
  found->second.acknowledged.insert(ack.member());
  if (found->second.acknowledged.size() == found->second.assignment.episodes()) held_.erase(found);
}

void Actor::OnRevoke(const std::string& job_id, uint32_t arm) {
  if (rollout_ != nullptr && job_id == job_id_) rollout_->Drop(arm);
  sender_->Drop(job_id, arm);
  std::lock_guard lock(mu_);
  std::erase_if(held_, [&](const auto& entry) {
    return std::get<0>(entry.first) == job_id && std::get<1>(entry.first) == arm;
  });
}

void Actor::OnResult(v1::EpisodeResult result) {
  {
    std::lock_guard lock(mu_);
    const auto found = held_.find(KeyOf(result.name(), true, result.row()));
    // A group that is played again after the engine failed hands out what is known already.
    if (found == held_.end() || found->second.acknowledged.contains(result.member())) return;
    found->second.results[result.member()] = result;
  }
  v1::ActorMessage message;
  *message.mutable_result() = std::move(result);
  (void)session_->Send(std::move(message));  // lost: the next welcome sends it again
}

void Actor::OnFailed(const v1::Assignment& assignment, const absl::Status& status) {
  spdlog::error("group {} cannot be played: {}", assignment.name().group(), status.ToString());
  {
    std::lock_guard lock(mu_);
    held_.erase(KeyOf(assignment.name(), assignment.evaluation(), assignment.row()));
  }
  v1::ActorMessage notice;
  v1::AssignmentFailed& failed = *notice.mutable_failed();
  *failed.mutable_name() = assignment.name();
  failed.set_evaluation(assignment.evaluation());
  failed.set_row(assignment.row());
  failed.set_error(std::string(status.message()));
  Notify(std::move(notice));
}

// An endpoint is one policy, whatever its groups name.
void Actor::UseEndpoint(const v1::Policy& policy) {
  const std::optional<PolicyName> missing = rollout_->MissingPolicy();
  if (!missing.has_value()) return;
  const v1::Endpoint& endpoint = policy.endpoint();
  endpoint::EndpointOptions options;
  options.url = endpoint.url();
  options.model = endpoint.model();
  options.messages = (*setup_)->as_messages();
  options.connections = options_.slots;
  options.max_context_tokens = static_cast<int>(policy.max_context_tokens());
  options.patience = absl::Seconds(endpoint.patience_seconds());
  options.http.timeout = absl::Seconds(endpoint.timeout_seconds());
  options.trouble = trouble_;
  absl::Status status;
  if (const std::string& variable = endpoint.api_key_variable(); !variable.empty()) {
    const char* key = std::getenv(variable.c_str());
    options.http.api_key = key != nullptr ? key : "";
    if (options.http.api_key.empty()) {
      status = absl::FailedPreconditionError(
          absl::StrCat("policy.endpoint.api_key_variable: the environment of actor ", options_.name,
                       " has no ", variable));
    }
  }
  if (status.ok()) {
    auto engine = endpoint::EndpointEngine::Create(std::move(options));
    status = engine.status();
    if (engine.ok()) return rollout_->SetEngine(*missing, *std::move(engine));
  }
  rollout_->FailNext(status);
}

// Brings the engine the policy that the next groups name, and has later ones fetched ahead.
void Actor::UsePolicy() {
  if (const v1::Policy& policy = (*setup_)->config().policy(); policy.has_endpoint()) {
    return UseEndpoint(policy);
  }
  std::vector<PolicyName> next = rollout_->NextPolicies();
  if (next.size() > 2) next.resize(2);
  receiver_->Want(next);
  const std::optional<PolicyName> missing = rollout_->MissingPolicy();
  if (!missing.has_value()) return;
  if (const auto model = receiver_->Take(*missing); model != nullptr) {
    std::unique_ptr<policy::Engine> engine = rollout_->TakeEngine();
    absl::Status status;
    if (engine != nullptr) {
      status = engine->SetModel(model);
    } else {
      policy::EngineOptions engine_options = rollout_->engine_options();
      engine_options.threads = options_.threads;
      engine_options.device = options_.device;
      auto made = policy::Engine::Create(model, engine_options);
      status = made.status();
      if (made.ok()) engine = *std::move(made);
    }
    if (status.ok()) {
      rollout_->SetEngine(*missing, std::move(engine));
    } else {
      rollout_->FailNext(status);
    }
  } else if (receiver_->NotFoundFor(*missing) > kGoneAfter) {
    const std::vector<v1::Assignment> given = rollout_->GiveBack(*missing);
    spdlog::warn("no learner has policy version {} of arm {}: {} groups are given back",
                 missing->version, missing->arm, given.size());
    {
      std::lock_guard lock(mu_);
      for (const v1::Assignment& a : given) held_.erase(KeyOf(a.name(), a.evaluation(), a.row()));
    }
    session_->Reconnect();
  }
}

// Room for one group more than the slots hold, so that a slot that falls free need not wait.
void Actor::GiveCredits() {
  if (job_id_.empty() || stream_is_new_ || sender_->full()) return;
  // A job that cannot be played still gets its first group, to fail with the reason.
  const uint32_t group = setup_.ok() ? (*setup_)->largest_group() : 1;
  const size_t wanted = setup_.ok() ? options_.slots + group : 1;
  size_t pending = size_t{credits_out_} * group;
  if (rollout_ != nullptr) pending += rollout_->live_episodes() + rollout_->queued_episodes();
  if (pending >= wanted) return;
  const uint32_t credits = (wanted - pending + group - 1) / group;
  v1::ActorMessage message;
  message.set_credits(credits);
  if (session_->Send(std::move(message)).ok()) credits_out_ += credits;
}

void Actor::Notify(v1::ActorMessage notice) { notices_.push_back(std::move(notice)); }

void Actor::FlushNotices() {
  while (!notices_.empty() && session_->Send(notices_.front()).ok()) notices_.pop_front();
}

}  // namespace sojourn::actor
