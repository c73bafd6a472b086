// An engine without a model, for tests: it says again, token by token, what it was told last, and
// then stops.
#ifndef SOJOURN_SERVE_MODEL_SERVER_TESTING_H_
#define SOJOURN_SERVE_MODEL_SERVER_TESTING_H_

#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "policy/engine.h"

namespace sojourn::serve {

// Lets a test hold the engine's steps and see what the engine has; outlives the engine.
class EchoControl {
 public:
  void Hold() {
    absl::MutexLock lock(&mutex_);
    held_ = true;
  }
  void Release() {
    absl::MutexLock lock(&mutex_);
    held_ = false;
  }
  void FailNextStep() {
    absl::MutexLock lock(&mutex_);
    fail_ = true;
  }
  bool EnterStep() {  // true: fail
    absl::MutexLock lock(&mutex_);
    ++waiting_;
    mutex_.Await(absl::Condition(
        +[](bool* held) { return !*held; }, &held_));
    --waiting_;
    return std::exchange(fail_, false);
  }
  void AwaitHeldStep() {  // until the engine's thread is held in a step
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* waiting) { return *waiting > 0; }, &waiting_));
  }
  void SetOpen(size_t episodes) {
    absl::MutexLock lock(&mutex_);
    open_ = episodes;
  }
  void AwaitOpen(size_t episodes) {
    absl::MutexLock lock(&mutex_);
    const auto so_many = [this, episodes] { return open_ == episodes; };
    mutex_.Await(absl::Condition(&so_many));
  }

 private:
  absl::Mutex mutex_;
  bool held_ = false, fail_ = false;
  int waiting_ = 0;
  size_t open_ = 0;
};

// The model's log-probability of token t of a response is -t, that of the draw half of it.
class EchoEngine : public policy::Engine {
 public:
  EchoEngine(EchoControl& control, int32_t stop_token)
      : control_(control), stop_token_(stop_token) {}

  absl::Status SetModel(std::shared_ptr<const policy::Model>, policy::CachePolicy) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<int64_t>> OpenGroup(absl::Span<const int32_t> prompt, int n) override {
    std::vector<int64_t> ids;
    for (int i = 0; i < n; ++i) {
      ids.push_back(next_id_);
      episodes_[next_id_++].prompt.assign(prompt.begin(), prompt.end());
    }
    control_.SetOpen(episodes_.size());
    return ids;
  }
  void Close(int64_t episode) override {
    episodes_.erase(episode);
    control_.SetOpen(episodes_.size());
  }
  absl::Status Respond(int64_t episode, policy::ResponseRequest request) override {
    Episode& asked = episodes_.at(episode);
    if (!request.prompt.empty()) asked.prompt = request.prompt;
    asked.request = std::move(request);
    asked.response = {};
    asked.response.episode = episode;
    asked.active = true;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<policy::Response>> Step() override {
    if (control_.EnterStep()) return absl::InternalError("the weights have diverged");
    std::vector<policy::Response> done;
    for (auto& [id, episode] : episodes_) {
      if (!episode.active) continue;
      policy::Response& response = episode.response;
      const size_t t = response.tokens.size();
      const int32_t token = t < episode.prompt.size() ? episode.prompt[t] : stop_token_;
      response.tokens.push_back(token);
      response.model_logprobs.push_back(-static_cast<float>(t));
      response.logprobs.push_back(-static_cast<float>(t) / 2);
      if (episode.request.alternatives > 0) response.alternatives.push_back({{token, -1}});
      const auto& stops = episode.request.stop_tokens;
      response.stopped = std::find(stops.begin(), stops.end(), token) != stops.end();
      response.stopped |= episode.request.stop(token);
      if (response.stopped || static_cast<int>(t) + 1 == episode.request.max_tokens) {
        episode.active = false;
        done.push_back(std::move(response));
      }
    }
    return done;
  }
  bool idle() const override { return false; }
  const policy::Response* running(int64_t episode) const override {
    const Episode& asked = episodes_.at(episode);
    return asked.active ? &asked.response : nullptr;
  }
  int64_t context_tokens(int64_t) const override { return 0; }
  policy::EngineStats stats() const override { return {}; }

 private:
  struct Episode {
    std::vector<int32_t> prompt;
    policy::ResponseRequest request;
    policy::Response response;
    bool active = false;
  };
  EchoControl& control_;
  const int32_t stop_token_;
  std::map<int64_t, Episode> episodes_;
  int64_t next_id_ = 0;
};

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_MODEL_SERVER_TESTING_H_
