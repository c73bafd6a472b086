// What the actor's tests play with: a tokenizer, a job over real environments, and a scripted
// engine.
#ifndef SOJOURN_ACTOR_FAKE_JOB_H_
#define SOJOURN_ACTOR_FAKE_JOB_H_

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actor/job_setup.h"
#include "policy/engine.h"
#include "policy/tokenizer.h"

namespace sojourn::actor {

inline std::unique_ptr<policy::Tokenizer> ByteTokenizer() {
  policy::TokenizerTraining training;
  training.vocab_size = 259;
  return *policy::Tokenizer::Parse(*policy::TrainTokenizer({}, training), "test");
}

inline v1::JobConfig FakeConfig() {
  v1::JobConfig config;
  config.mutable_policy()->set_max_context_tokens(4096);
  config.mutable_rollout()->set_group_size(4);
  config.mutable_rollout()->set_max_turn_tokens(64);
  config.mutable_rollout()->set_temperature(1);
  config.mutable_rollout()->set_top_p(1);
  config.mutable_rollout()->set_invalid_action_reward(-0.25);
  for (const char* type : {"babyai", "textcraft"}) {
    v1::Environment& environment = *config.add_environments();
    environment.set_name(type);
    environment.set_type(type);
  }
  config.mutable_evaluation()->set_episodes_per_task(4);
  return config;
}

inline v1::Assignment FakeAssignment(uint64_t group, uint64_t version = 0) {
  v1::Assignment assignment;
  assignment.mutable_name()->set_job_id("job");
  assignment.mutable_name()->set_group(group);
  assignment.set_environment("babyai");
  assignment.set_difficulty(1);
  assignment.set_task_index(3);
  assignment.set_split("train");
  assignment.set_max_turns(3);
  assignment.set_episodes(4);
  assignment.set_policy_version(version);
  assignment.set_random_key(100 + group);
  return assignment;
}

// Answers every request at the next step, with what `answer` makes of (episode's tokens so far, its
// key).
class FakeEngine : public policy::Engine {
 public:
  using Answer =
      std::function<std::pair<std::vector<int32_t>, bool>(const std::vector<int32_t>&, RandomKey)>;
  FakeEngine(policy::EngineOptions options, Answer answer)
      : options_(options), answer_(std::move(answer)) {}

  absl::Status SetModel(std::shared_ptr<const policy::Model>, policy::CachePolicy) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<int64_t>> OpenGroup(absl::Span<const int32_t> prompt, int n) override {
    if (live_.size() + n > static_cast<size_t>(options_.max_episodes))
      return absl::ResourceExhaustedError("too many");
    std::vector<int64_t> ids;
    for (int i = 0; i < n; ++i) {
      live_[next_].assign(prompt.begin(), prompt.end());
      ids.push_back(next_++);
    }
    most_live = std::max(most_live, live_.size());
    return ids;
  }
  void Close(int64_t episode) override {
    live_.erase(episode);
    requests_.erase(episode);
  }
  absl::Status Respond(int64_t episode, policy::ResponseRequest request) override {
    if (!live_.contains(episode)) return absl::NotFoundError("no such episode");
    std::vector<int32_t>& tokens = live_[episode];
    tokens.insert(tokens.end(), request.prompt.begin(), request.prompt.end());
    temperatures.push_back(request.sampling.temperature);
    requests_.insert_or_assign(episode, std::move(request));
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<policy::Response>> Step() override {
    if (fail) return absl::InternalError("broken engine");
    std::vector<policy::Response> responses;
    for (auto& [episode, request] : requests_) {
      policy::Response response{.episode = episode};
      std::tie(response.tokens, response.stopped) = answer_(live_[episode], request.key);
      for (const int32_t token : response.tokens)
        response.logprobs.push_back(-0.001f * token - 0.5f);
      live_[episode].insert(live_[episode].end(), response.tokens.begin(), response.tokens.end());
      responses.push_back(std::move(response));
    }
    requests_.clear();
    return responses;
  }
  bool idle() const override { return requests_.empty(); }
  int64_t context_tokens(int64_t episode) const override { return live_.at(episode).size(); }
  policy::EngineStats stats() const override { return {}; }

  bool fail = false;
  size_t most_live = 0;
  std::vector<double> temperatures;

 private:
  policy::EngineOptions options_;
  Answer answer_;
  int64_t next_ = 0;
  std::map<int64_t, std::vector<int32_t>> live_;
  std::map<int64_t, policy::ResponseRequest> requests_;
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_FAKE_JOB_H_
