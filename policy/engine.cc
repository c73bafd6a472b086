#include "policy/engine.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <map>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "policy/device.h"
#include "policy/device_model.h"
#include "policy/engine_model.h"
#include "policy/kv_cache.h"
#include "policy/sampler.h"
#include "policy/thread_pool.h"

namespace sojourn::policy {
namespace {

constexpr int kMaxAlternatives = 64;

// A prompt that several episodes begin with. Read once; then each member shares its blocks, and
// draws its first token from the same logits.
struct Prompt {
  std::vector<int32_t> tokens;
  KvSequence cache;              // of what is read so far; empty again once the members have it
  int64_t once_read = 0;         // tokens that were in the cache at some time
  std::vector<int64_t> members;  // not closed, and their first token not drawn
  std::vector<float> logits;     // of the next token; empty until the prompt is read
  bool scheduled = false;        // in the step that is being prepared

  int64_t unread() const { return static_cast<int64_t>(tokens.size()) - cache.length; }
};

struct Episode {
  int64_t id = 0;
  std::shared_ptr<Prompt> prompt;  // until the first token of the first response is drawn
  std::vector<int32_t> tokens;     // the context
  KvSequence cache;                // of its first tokens
  int64_t once_read = 0;           // tokens that were in the cache, or would be
  int64_t last_used = 0;           // in steps
  bool active = false;             // a response is under way: waiting or in a slot
  ResponseRequest request;
  Response response;

  bool reads_prompt() const { return prompt != nullptr && prompt->logits.empty(); }
  int64_t unread() const { return static_cast<int64_t>(tokens.size()) - cache.length; }
};

class BatchingEngine : public Engine {
 public:
  BatchingEngine(const Model& model, const EngineOptions& options, const torch::Device& device, int64_t blocks)
      : options_(options),
        context_limit_(std::min<int64_t>(options.max_context_tokens, blocks * kPanel)),
        pool_(options.threads),
        model_(MakePass(model, device, blocks)),
        cache_(model_->kv_memory(), blocks),
        samplers_(options.threads) {}

  absl::Status SetModel(std::shared_ptr<const Model> model, CachePolicy cache) override;
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
    return found == episodes_.end() ? 0 : found->second.tokens.size();
  }
  EngineStats stats() const override;

 private:
  std::unique_ptr<ForwardPass> MakePass(const Model& model, const torch::Device& device, int64_t blocks) {
    if (!device.is_cpu() || options_.by_libtorch) {
      return std::make_unique<DeviceModel>(model, device, options_.weight_format, blocks, context_limit_);
    }
    return std::make_unique<EngineModel>(model, options_.weight_format, options_.slots + options_.prefill_chunk,
                                         context_limit_, pool_);
  }
  absl::Status CheckTokens(absl::Span<const int32_t> tokens) const;
  void Admit();
  void PrepareRows();
  // Adds the next n tokens to the step.
  void AddRows(absl::Span<const int32_t> tokens, int64_t n, KvSequence& cache, int64_t& once_read);
  // Makes room for `blocks`, by dropping the cache of episodes without a response, then of waiting
  // ones, then of those in slots behind `slot`. False when that is not enough.
  bool MakeRoom(int64_t blocks, size_t slot);
  // Drops the keys and values of an episode that is in no slot; false when there are none. Those of
  // a prompt stay while another of its members is in a slot.
  bool Drop(Episode& episode);
  void DropAll();
  bool InSlot(const Prompt* prompt) const;
  // Hands a prompt that is now read to its members.
  void FinishPrompt(Prompt& prompt, absl::Span<const float> logits);
  void DrawTokens();
  // The episode's next token; true when that completes its response.
  bool TakeToken(Episode& episode, SampledToken drawn);

  const EngineOptions options_;
  const int64_t context_limit_;
  ThreadPool pool_;
  std::unique_ptr<ForwardPass> model_;
  KvCache cache_;
  std::vector<Sampler> samplers_;        // per thread
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
  struct Draw {
    Episode* episode;
    int64_t output = -1;            // of the step, or
    absl::Span<const float> logits;  // of a prompt
    absl::StatusOr<SampledToken> drawn{SampledToken{}};
  };
  std::vector<ForwardPass::Row> rows_;
  std::vector<int32_t> output_rows_;
  std::vector<Output> outputs_;
  std::vector<Draw> draws_;
};

absl::Status BatchingEngine::SetModel(std::shared_ptr<const Model> model, CachePolicy cache) {
  if (cache == CachePolicy::kRefuse && !episodes_.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot change the model while ", episodes_.size(),
        " episodes are open: close them first, or say what becomes of their keys and values"));
  }
  ModelConfig config = model->config();
  config.torch_dtype = model_->config().torch_dtype;  // the engine has its own format
  if (ModelConfigJson(config) != ModelConfigJson(model_->config())) {
    return absl::InvalidArgumentError("the new model has another config than the engine's");
  }
  model_->SetWeights(*model);
  if (cache == CachePolicy::kRebuild) {
    DropAll();
    for (auto& [id, episode] : episodes_) {
      if (episode.prompt != nullptr) episode.prompt->logits.clear();
    }
  }
  return absl::OkStatus();
}

absl::Status BatchingEngine::CheckTokens(absl::Span<const int32_t> tokens) const {
  for (const int32_t token : tokens) {
    if (token < 0 || token >= model_->config().vocab_size) {
      return absl::InvalidArgumentError(
          absl::StrCat("token ", token, " is not in the model's vocabulary of ",
                       model_->config().vocab_size, ": is the tokenizer this model's?"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int64_t>> BatchingEngine::OpenGroup(absl::Span<const int32_t> tokens, int n) {
  if (n <= 0) return absl::InvalidArgumentError(absl::StrCat("a group needs episodes, got ", n));
  if (tokens.empty()) return absl::InvalidArgumentError("a group's prompt is empty");
  if (absl::Status valid = CheckTokens(tokens); !valid.ok()) return valid;
  if (static_cast<int64_t>(tokens.size()) + 1 > context_limit_) {
    return absl::OutOfRangeError(absl::StrCat("a prompt of ", tokens.size(),
                                              " tokens and one more do not fit in a context of ",
                                              context_limit_));
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
    episode.tokens = prompt->tokens;
  }
  return prompt->members;
}

void BatchingEngine::Close(int64_t id) {
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

absl::Status BatchingEngine::Respond(int64_t id, ResponseRequest request) {
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
  if (request.alternatives < 0 || request.alternatives > kMaxAlternatives) {
    return absl::InvalidArgumentError(absl::StrCat("alternatives: expected 0 to ", kMaxAlternatives,
                                                   ", got ", request.alternatives));
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
  const int64_t needed = episode.tokens.size() + request.prompt.size() + 1;
  if (needed > context_limit_) {
    return absl::OutOfRangeError(
        absl::StrCat("episode ", id, ": ", needed,
                     " tokens with one of response, but the context holds ", context_limit_));
  }
  episode.tokens.insert(episode.tokens.end(), request.prompt.begin(), request.prompt.end());
  episode.request = std::move(request);
  episode.response = {};
  episode.response.episode = id;
  episode.active = true;
  waiting_.push_back(&episode);
  return absl::OkStatus();
}

bool BatchingEngine::InSlot(const Prompt* prompt) const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [&](const Episode* episode) { return episode->prompt.get() == prompt; });
}

bool BatchingEngine::Drop(Episode& episode) {
  const bool joint = episode.reads_prompt() && !InSlot(episode.prompt.get());
  KvSequence& cache = joint ? episode.prompt->cache : episode.cache;
  const bool any = !cache.blocks.empty();
  cache_.Release(cache);
  return any;
}

void BatchingEngine::DropAll() {
  for (auto& [id, episode] : episodes_) {
    cache_.Release(episode.cache);
    if (episode.prompt != nullptr) {
      cache_.Release(episode.prompt->cache);
      episode.prompt->scheduled = false;
    }
  }
}

bool BatchingEngine::MakeRoom(int64_t blocks, size_t slot) {
  while (cache_.free_blocks() < blocks) {
    Episode* oldest = nullptr;
    for (auto& [id, episode] : episodes_) {
      const bool droppable = !episode.active && !episode.cache.blocks.empty();
      if (droppable && (oldest == nullptr || episode.last_used < oldest->last_used)) {
        oldest = &episode;
      }
    }
    if (oldest != nullptr) {
      cache_.Release(oldest->cache);
      continue;
    }
    if (std::any_of(waiting_.rbegin(), waiting_.rend(), [&](Episode* e) { return Drop(*e); })) {
      continue;
    }
    if (slots_.size() <= slot + 1) return false;
    Episode* const youngest = slots_.back();
    slots_.pop_back();
    waiting_.push_front(youngest);
    ++stats_.preemptions;
    if (!youngest->response.tokens.empty()) youngest->once_read = youngest->tokens.size();
    Drop(*youngest);
  }
  return true;
}

// A response waits until its tokens and the next one fit beside those under way.
void BatchingEngine::Admit() {
  const auto needs = [&](const Episode& episode) {
    const Prompt* const prompt = episode.prompt.get();
    if (prompt == nullptr) return cache_.BlocksFor(episode.cache, episode.unread() + 1);
    return cache_.BlocksFor(prompt->cache, prompt->logits.empty() ? prompt->unread() : 0);
  };
  while (!waiting_.empty() && static_cast<int>(slots_.size()) < options_.slots) {
    Episode* const next = waiting_.front();
    waiting_.pop_front();
    if (!slots_.empty() && (next->prompt == nullptr || !InSlot(next->prompt.get()))) {
      int64_t blocks = needs(*next);
      const Prompt* last = nullptr;  // a group's members mostly lie together
      for (const Episode* episode : slots_) {
        if (episode->prompt == nullptr || episode->prompt.get() != last) blocks += needs(*episode);
        last = episode->prompt.get();
      }
      if (!MakeRoom(blocks, slots_.size())) {
        waiting_.push_front(next);
        return;
      }
    }
    slots_.push_back(next);
  }
}

void BatchingEngine::AddRows(absl::Span<const int32_t> tokens, int64_t n, KvSequence& cache,
                        int64_t& once_read) {
  cache_.Reserve(cache, n);
  for (const int32_t token : tokens.subspan(cache.length, n)) {
    rows_.push_back({token, cache.length++, &cache});
  }
  once_read = std::max(once_read, cache.length);
}

void BatchingEngine::PrepareRows() {
  rows_.clear();
  output_rows_.clear();
  outputs_.clear();
  int64_t left = options_.prefill_chunk;  // prompt tokens that still go into this step
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    Episode* const episode = slots_[slot];
    Prompt* const prompt = episode->prompt.get();
    episode->last_used = stats_.decode_steps;
    if (prompt != nullptr && (!prompt->logits.empty() || prompt->scheduled)) continue;
    const std::vector<int32_t>& tokens = prompt != nullptr ? prompt->tokens : episode->tokens;
    KvSequence& cache = prompt != nullptr ? prompt->cache : episode->cache;
    int64_t& once_read = prompt != nullptr ? prompt->once_read : episode->once_read;
    const int64_t unread = prompt != nullptr ? prompt->unread() : episode->unread();
    // A token that was just drawn takes no part in the budget for prompts.
    const bool decoding = unread == 1 && !episode->response.tokens.empty();
    const int64_t n = decoding ? 1 : std::min(left, unread);
    if (n == 0 || !MakeRoom(cache_.BlocksFor(cache, n), slot)) continue;
    if (!decoding) {
      const int64_t again = std::clamp<int64_t>(once_read - cache.length, 0, n);
      left -= n;
      stats_.recomputed_tokens += again;
      stats_.prompt_tokens += n - again;
    }
    AddRows(tokens, n, cache, once_read);
    if (prompt != nullptr) prompt->scheduled = true;
    if (n < unread) continue;
    outputs_.push_back({prompt != nullptr ? nullptr : episode, prompt});
    output_rows_.push_back(static_cast<int32_t>(rows_.size()) - 1);
  }
}

void BatchingEngine::FinishPrompt(Prompt& prompt, absl::Span<const float> logits) {
  prompt.logits.assign(logits.begin(), logits.end());
  for (const int64_t id : prompt.members) {
    Episode& member = episodes_.at(id);
    member.cache = cache_.Share(prompt.cache);
    member.once_read = prompt.once_read;
    member.last_used = stats_.decode_steps;
  }
  stats_.shared_prompt_tokens += prompt.tokens.size() * (prompt.members.size() - 1);
  cache_.Release(prompt.cache);
}

bool BatchingEngine::TakeToken(Episode& episode, SampledToken drawn) {
  Response& response = episode.response;
  const ResponseRequest& request = episode.request;
  response.tokens.push_back(drawn.token);
  response.logprobs.push_back(drawn.logprob);
  response.model_logprobs.push_back(drawn.model_logprob);
  if (request.alternatives > 0) response.alternatives.push_back(std::move(drawn.alternatives));
  episode.tokens.push_back(drawn.token);
  ++stats_.decoded_tokens;
  response.stopped = std::find(request.stop_tokens.begin(), request.stop_tokens.end(),
                               drawn.token) != request.stop_tokens.end();
  if (request.stop != nullptr && request.stop(drawn.token)) response.stopped = true;
  return response.stopped || static_cast<int>(response.tokens.size()) >= request.max_tokens ||
         static_cast<int64_t>(episode.tokens.size()) >= context_limit_;
}

void BatchingEngine::DrawTokens() {
  const auto uniform = [](const Draw& draw) {
    return Random(draw.episode->request.key.With(draw.episode->response.tokens.size())).Uniform();
  };
  std::vector<ForwardPass::Draw> there;  // where the logits are
  std::vector<Draw*> here, drawn_there;
  for (Draw& draw : draws_) {
    const ResponseRequest& request = draw.episode->request;
    const bool whole = request.sampling.top_k == 0 && request.sampling.top_p >= 1;
    if (draw.output >= 0 && request.alternatives == 0 && (whole || request.sampling.temperature == 0)) {
      there.push_back({draw.output, request.sampling.temperature, uniform(draw)});
      drawn_there.push_back(&draw);
    } else {
      here.push_back(&draw);
    }
  }
  std::vector<absl::StatusOr<SampledToken>> tokens;
  if (!there.empty() && model_->Sample(there, &tokens)) {
    for (size_t i = 0; i < tokens.size(); ++i) drawn_there[i]->drawn = std::move(tokens[i]);
  } else {
    here.insert(here.end(), drawn_there.begin(), drawn_there.end());
  }
  for (Draw* draw : here) {
    if (draw->output >= 0) draw->logits = model_->logits(draw->output);
  }
  pool_.For(here.size(), [&](int64_t i, int thread) {
    const ResponseRequest& request = here[i]->episode->request;
    here[i]->drawn = samplers_[thread].Sample(here[i]->logits, request.sampling, uniform(*here[i]), request.alternatives);
  });
}

absl::StatusOr<std::vector<Response>> BatchingEngine::Step() try {
  Admit();
  PrepareRows();
  if (!rows_.empty()) {
    model_->Forward(rows_, output_rows_);
    ++stats_.decode_steps;
  }
  draws_.clear();
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i].prompt != nullptr) {
      FinishPrompt(*outputs_[i].prompt, model_->logits(i));
    } else {
      draws_.push_back({outputs_[i].episode, static_cast<int64_t>(i), {}});
    }
  }
  for (Episode* episode : slots_) {
    if (episode->prompt == nullptr) continue;
    episode->prompt->scheduled = false;
    if (!episode->reads_prompt()) draws_.push_back({episode, -1, episode->prompt->logits});
  }
  DrawTokens();
  std::vector<Response> done;
  for (Draw& draw : draws_) {
    if (!draw.drawn.ok()) return draw.drawn.status();
    Episode& episode = *draw.episode;
    if (episode.prompt != nullptr) {
      std::erase(episode.prompt->members, episode.id);
      episode.prompt = nullptr;
    }
    if (TakeToken(episode, *std::move(draw.drawn))) {
      episode.active = false;
      done.push_back(std::move(episode.response));
    }
  }
  std::erase_if(slots_, [](const Episode* episode) { return !episode->active; });
  return done;
} catch (const std::bad_alloc&) {
  DropAll();  // what the step had begun to write is not to be trusted
  return absl::ResourceExhaustedError(absl::StrCat(
      "the system has no memory for more keys and values: a kv_cache_tokens of less than ",
      cache_.max_blocks() * kPanel, " keeps fewer"));
} catch (const std::exception& error) {  // LibTorch's: a GPU's memory, say
  DropAll();
  return absl::ResourceExhaustedError(absl::StrCat("the engine's step: ", error.what()));
}

EngineStats BatchingEngine::stats() const {
  EngineStats stats = stats_;
  stats.kv_cache_tokens = cache_.used_blocks() * kPanel;
  stats.kv_cache_tokens_max = cache_.max_blocks() * kPanel;
  stats.running = slots_.size();
  stats.waiting = waiting_.size();
  return stats;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(std::shared_ptr<const Model> model,
                                                       EngineOptions options) try {
  const auto fault = [](const char* name, const auto& expected, int64_t value) {
    return absl::InvalidArgumentError(
        absl::StrCat("engine option ", name, ": expected ", expected, ", got ", value));
  };
  const std::pair<const char*, int> counts[] = {{"slots", options.slots},
                                                {"prefill_chunk", options.prefill_chunk},
                                                {"max_context_tokens", options.max_context_tokens},
                                                {"max_episodes", options.max_episodes}};
  for (const auto& [name, value] : counts) {
    if (value < 1 || value > 1 << 20) return fault(name, absl::StrCat("1 to ", 1 << 20), value);
  }
  if (options.threads < 1 || options.threads > 256) {
    return fault("threads", "1 to 256", options.threads);
  }
  if (options.kv_cache_tokens != 0 && options.kv_cache_tokens < kPanel) {
    return fault("kv_cache_tokens", absl::StrCat("0 (no limit) or ", kPanel, " and more"),
                 options.kv_cache_tokens);
  }
  if (options.max_context_tokens > model->config().max_position_embeddings) {
    return absl::InvalidArgumentError(
        absl::StrCat("engine option max_context_tokens: ", options.max_context_tokens,
                     " is more than the model's max_position_embeddings, ",
                     model->config().max_position_embeddings));
  }
  const int64_t all = RoundUp(options.max_context_tokens, kPanel) / kPanel * options.max_episodes;
  const int64_t blocks =
      options.kv_cache_tokens == 0 ? all : std::min(all, options.kv_cache_tokens / kPanel);
  const auto device = OpenDevice(options.device);
  if (!device.ok()) return device.status();
  if (!device->is_cpu() && options.weight_format == WeightFormat::kInt8) {
    return absl::InvalidArgumentError("engine option weight_format: int8 is for the CPU; use bfloat16");
  }
  return std::make_unique<BatchingEngine>(*model, options, *device, blocks);
} catch (const std::bad_alloc&) {
  return absl::ResourceExhaustedError("the system has no memory for the engine's weights");
} catch (const std::exception& error) {
  return absl::InternalError(absl::StrCat("the engine's weights: ", error.what()));
}

}  // namespace sojourn::policy
