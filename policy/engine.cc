#include "policy/engine.h"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/engine_model.h"
#include "policy/kv_cache.h"
#include "policy/sampler.h"

namespace sojourn::policy {
namespace {

// A prompt that several episodes begin with. Read once; then each member shares its blocks, and
// draws its first token from the same logits.
struct Prompt {
  std::vector<int32_t> tokens;
  KvSequence cache;              // of what is read so far; empty again once the members have it
  std::vector<int64_t> members;  // not closed
  std::vector<float> logits;     // of the next token; empty until the prompt is read
  bool scheduled = false;        // in the step that is being prepared
};

struct Episode {
  int64_t id = 0;
  std::shared_ptr<Prompt> prompt;  // until the first token of the first response is drawn
  KvSequence cache;
  std::vector<int32_t> unread;  // tokens of the context that are not in the cache yet
  bool active = false;          // a response is under way: waiting or in a slot
  ResponseRequest request;
  Response response;

  int64_t context_tokens() const {
    const bool joint = prompt != nullptr && prompt->logits.empty();
    return joint ? prompt->tokens.size() : cache.length + unread.size();
  }
};

class CpuEngine : public Engine {
 public:
  CpuEngine(const Model& model, const EngineOptions& options)
      : options_(options),
        pool_(options.threads),
        model_(model, options.weight_format, options.slots + options.prefill_chunk,
               options.max_context_tokens, pool_),
        cache_(model.config().num_hidden_layers, model_.kv_block_bytes(), 1 << 30) {}

  absl::Status SetModel(std::shared_ptr<const Model> model) override;
  absl::StatusOr<std::vector<int64_t>> OpenGroup(absl::Span<const int32_t> prompt, int n) override;
  void Close(int64_t id) override;
  absl::Status Respond(int64_t id, ResponseRequest request) override;
  absl::StatusOr<std::vector<Response>> Step() override;
  bool idle() const override { return waiting_.empty() && slots_.empty(); }
  const Response* running(int64_t id) const override {
    const auto found = episodes_.find(id);
    return found == episodes_.end() || !found->second.active ? nullptr : &found->second.response;
  }
  int64_t context_tokens(int64_t id) const override {
    const auto found = episodes_.find(id);
    return found == episodes_.end() ? 0 : found->second.context_tokens();
  }
  EngineStats stats() const override { return stats_; }

 private:
  absl::Status CheckTokens(absl::Span<const int32_t> tokens) const;
  void PrepareRows();
  void AddRows(absl::Span<const int32_t> tokens, KvSequence& sequence);
  // Hands a prompt that is now read to its members.
  void FinishPrompt(Prompt& prompt, absl::Span<const float> logits);
  // Draws the episode's next token; true when that completes its response.
  absl::StatusOr<bool> Draw(Episode& episode, absl::Span<const float> logits);

  const EngineOptions options_;
  ThreadPool pool_;
  EngineModel model_;
  KvCache cache_;
  Sampler sampler_;
  std::map<int64_t, Episode> episodes_;  // nodes stay in place
  int64_t next_id_ = 0;
  std::deque<Episode*> waiting_;
  std::vector<Episode*> slots_;  // at most options_.slots, in the order they came
  EngineStats stats_;

  // The step in preparation. An output is a row whose logits are wanted, for an episode or for a
  // prompt.
  struct Output {
    Episode* episode;
    Prompt* prompt;
  };
  std::vector<EngineModel::Row> rows_;
  std::vector<int32_t> output_rows_;
  std::vector<Output> outputs_;
};

absl::Status CpuEngine::SetModel(std::shared_ptr<const Model> model) {
  if (!episodes_.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("cannot change the model while ",
                                                      episodes_.size(),
                                                      " episodes are open: close them first"));
  }
  if (ModelConfigJson(model->config()) != ModelConfigJson(model_.config())) {
    return absl::InvalidArgumentError("the new model has another config than the engine's");
  }
  model_.SetWeights(*model);
  return absl::OkStatus();
}

absl::Status CpuEngine::CheckTokens(absl::Span<const int32_t> tokens) const {
  for (const int32_t token : tokens) {
    if (token < 0 || token >= model_.config().vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", token, " is not in the model's vocabulary of ",
                       model_.config().vocab_size, ": is the tokenizer this model's?"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> CpuEngine::OpenGroup(absl::Span<const int32_t> tokens, int n) {
  if (n <= 0) return absl::InvalidArgumentError(absl::StrCat("a group needs episodes, got ", n));
  if (tokens.empty()) return absl::InvalidArgumentError("a group's prompt is empty");
  if (absl::Status valid = CheckTokens(tokens); !valid.ok()) return valid;
  if (static_cast<int64_t>(tokens.size()) + 1 > options_.max_context_tokens) {
    return absl::OutOfRangeError(absl::StrCat("a prompt of ", tokens.size(),
                                              " tokens and one more do not fit in a context of ",
                                              options_.max_context_tokens));
  }
  if (static_cast<int64_t>(episodes_.size()) + n > options_.max_episodes) {
    return absl::ResourceExhaustedError(absl::StrCat(episodes_.size(), " episodes are open; ", n,
                                                     " more would be over max_episodes, ",
                                                     options_.max_episodes));
  }
  auto prompt = std::make_shared<Prompt>();
  prompt->tokens.assign(tokens.begin(), tokens.end());
  for (int i = 0; i < n; ++i) {
    const int64_t id = next_id_++;
    prompt->members.push_back(id);
    Episode& episode = episodes_[id];
    episode.id = id;
    episode.prompt = prompt;
  }
  return prompt->members;
}

void CpuEngine::Close(int64_t id) {
  const auto found = episodes_.find(id);
  if (found == episodes_.end()) return;
  Episode& episode = found->second;
  std::erase(waiting_, &episode);
  std::erase(slots_, &episode);
  if (episode.prompt != nullptr) {
    std::erase(episode.prompt->members, id);
    if (episode.prompt->members.empty()) cache_.Release(episode.prompt->cache);
  }
  cache_.Release(episode.cache);
  episodes_.erase(found);
}

absl::Status CpuEngine::Respond(int64_t id, ResponseRequest request) {
  const auto found = episodes_.find(id);
  if (found == episodes_.end())
    return absl::NotFoundError(absl::StrCat("episode ", id, " is not open"));
  Episode& episode = found->second;
  if (episode.active) {
    return absl::FailedPreconditionError(absl::StrCat("episode ", id, " has a response under way"));
  }
  if (request.max_tokens <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("max_tokens: expected 1 or more, got ", request.max_tokens));
  }
  if (absl::Status valid = ValidateSampling(request.sampling); !valid.ok()) return valid;
  if (absl::Status valid = CheckTokens(request.prompt); !valid.ok()) return valid;
  if ((episode.prompt != nullptr) != request.prompt.empty()) {
    return absl::InvalidArgumentError(
        episode.prompt != nullptr
            ? absl::StrCat("episode ", id,
                           " answers its group's prompt first: the request's must be empty")
            : absl::StrCat("episode ", id, ": the request's prompt is empty"));
  }
  const int64_t needed = episode.context_tokens() + request.prompt.size() + 1;
  if (needed > options_.max_context_tokens) {
    return absl::OutOfRangeError(absl::StrCat(
        "episode ", id, ": ", needed, " tokens with one of response, but the context holds ",
        options_.max_context_tokens));
  }
  episode.unread.insert(episode.unread.end(), request.prompt.begin(), request.prompt.end());
  episode.request = std::move(request);
  episode.response = {};
  episode.response.episode = id;
  episode.active = true;
  waiting_.push_back(&episode);
  return absl::OkStatus();
}

void CpuEngine::AddRows(absl::Span<const int32_t> tokens, KvSequence& sequence) {
  cache_.Reserve(sequence, tokens.size());
  for (const int32_t token : tokens) rows_.push_back({token, sequence.length++, &sequence});
}

void CpuEngine::PrepareRows() {
  rows_.clear();
  output_rows_.clear();
  outputs_.clear();
  int64_t left = options_.prefill_chunk;  // prompt tokens that still go into this step
  for (Episode* episode : slots_) {
    Prompt* const prompt = episode->prompt.get();
    if (prompt != nullptr) {
      const int64_t unread = prompt->tokens.size() - prompt->cache.length;
      if (!prompt->logits.empty() || prompt->scheduled || left == 0) continue;
      const int64_t n = std::min(left, unread);
      AddRows(absl::MakeConstSpan(prompt->tokens).subspan(prompt->cache.length, n), prompt->cache);
      prompt->scheduled = true;
      left -= n;
      stats_.prompt_tokens += n;
      if (n < unread) continue;
      outputs_.push_back({nullptr, prompt});
    } else {
      const bool decoding =
          !episode->response.tokens.empty();  // then its last token is what is unread
      const int64_t unread = episode->unread.size(), n = decoding ? 1 : std::min(left, unread);
      if (n == 0) continue;
      AddRows(absl::MakeConstSpan(episode->unread).subspan(0, n), episode->cache);
      episode->unread.erase(episode->unread.begin(), episode->unread.begin() + n);
      if (!decoding) {
        left -= n;
        stats_.prompt_tokens += n;
      }
      if (n < unread) continue;
      outputs_.push_back({episode, nullptr});
    }
    output_rows_.push_back(static_cast<int32_t>(rows_.size()) - 1);
  }
}

void CpuEngine::FinishPrompt(Prompt& prompt, absl::Span<const float> logits) {
  prompt.logits.assign(logits.begin(), logits.end());
  for (const int64_t id : prompt.members) episodes_.at(id).cache = cache_.Share(prompt.cache);
  stats_.shared_prompt_tokens += prompt.tokens.size() * (prompt.members.size() - 1);
  cache_.Release(prompt.cache);
}

absl::StatusOr<bool> CpuEngine::Draw(Episode& episode, absl::Span<const float> logits) {
  Response& response = episode.response;
  const ResponseRequest& request = episode.request;
  const double uniform = Random(request.key.With(response.tokens.size())).Uniform();
  const auto drawn = sampler_.Sample(logits, request.sampling, uniform);
  if (!drawn.ok()) return drawn.status();
  response.tokens.push_back(drawn->token);
  response.logprobs.push_back(drawn->logprob);
  episode.unread.push_back(drawn->token);
  ++stats_.decoded_tokens;
  response.stopped = std::find(request.stop_tokens.begin(), request.stop_tokens.end(),
                               drawn->token) != request.stop_tokens.end();
  return response.stopped || static_cast<int>(response.tokens.size()) >= request.max_tokens ||
         episode.context_tokens() >= options_.max_context_tokens;
}

absl::StatusOr<std::vector<Response>> CpuEngine::Step() {
  while (!waiting_.empty() && static_cast<int>(slots_.size()) < options_.slots) {
    slots_.push_back(waiting_.front());
    waiting_.pop_front();
  }
  PrepareRows();
  if (!rows_.empty()) {
    model_.Forward(rows_, output_rows_, cache_);
    ++stats_.decode_steps;
  }
  std::vector<Response> done;
  const auto draw = [&](Episode& episode, absl::Span<const float> logits) -> absl::Status {
    const auto complete = Draw(episode, logits);
    if (!complete.ok()) return complete.status();
    if (*complete) {
      episode.active = false;
      done.push_back(std::move(episode.response));
    }
    return absl::OkStatus();
  };
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].prompt != nullptr) {
      FinishPrompt(*outputs_[i].prompt, model_.logits(i));
    } else if (absl::Status drawn = draw(*outputs_[i].episode, model_.logits(i)); !drawn.ok()) {
      return drawn;
    }
  }
  for (Episode* episode : slots_) {
    if (episode->prompt == nullptr) continue;
    const std::shared_ptr<Prompt> prompt = episode->prompt;
    prompt->scheduled = false;
    if (prompt->logits.empty()) continue;
    episode->prompt = nullptr;
    std::erase(prompt->members, episode->id);
    if (absl::Status drawn = draw(*episode, prompt->logits); !drawn.ok()) return drawn;
  }
  std::erase_if(slots_, [](const Episode* episode) { return !episode->active; });
  return done;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(std::shared_ptr<const Model> model,
                                                       EngineOptions options) {
  const std::pair<const char*, int> counts[] = {{"slots", options.slots},
                                                {"prefill_chunk", options.prefill_chunk},
                                                {"max_context_tokens", options.max_context_tokens},
                                                {"max_episodes", options.max_episodes}};
  for (const auto& [name, value] : counts) {
    if (value < 1 || value > 1 << 20) {
      return absl::InvalidArgumentError(
          absl::StrCat("engine option ", name, ": expected 1 to ", 1 << 20, ", got ", value));
    }
  }
  if (options.max_context_tokens > model->config().max_position_embeddings) {
    return absl::InvalidArgumentError(
        absl::StrCat("engine option max_context_tokens: ", options.max_context_tokens,
                     " is more than the model's max_position_embeddings, ",
                     model->config().max_position_embeddings));
  }
  return std::make_unique<CpuEngine>(*model, options);
}

}  // namespace sojourn::policy
