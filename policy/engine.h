// The inference engine: many live episodes, each with its own KV cache kept across turns, decoded
// together by continuous batching.
//
// Deterministic by its arithmetic (kernels_formats.h): every number is a sum in one fixed order,
// whatever the number of rows and threads, and attention goes over each episode's own tokens; so a
// response depends, to the bit, only on the weights and their format, the episode's tokens and its
// random key: not on what else is in the batch, on the other options below, on whether a token was
// read in a prompt or decoded, or on whether its keys and values were dropped and computed again. On
// a GPU none of this holds to the bit: LibTorch's products choose their order by the batch.
//
// This header has no LibTorch in it. Not thread-safe: one thread drives an engine.
#ifndef SOJOURN_POLICY_ENGINE_H_
#define SOJOURN_POLICY_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/random.h"
#include "policy/kernels_formats.h"

namespace sojourn::policy {

class Model;

struct SamplingParameters {
  double temperature = 1;  // 0: greedy (log-probabilities are then of the model's own distribution)
  double top_p = 1;        // nucleus, after temperature; 1 = off
  int top_k = 0;           // 0 = off
};

struct Message {
  std::string role, content;
  bool operator==(const Message&) const = default;
};

struct ResponseRequest {
  std::vector<int32_t> prompt;  // appended to the episode's tokens first; not empty
  // Instead of the prompt, for an engine that asks a server which makes tokens of messages itself
  // (endpoint/); others do not read it.
  std::vector<Message> messages;
  SamplingParameters sampling;
  int max_tokens = 0;                // of the response, > 0
  std::vector<int32_t> stop_tokens;  // ends the response; the stop token is part of it
  RandomKey key{0};                  // token t of the response draws from key.With(t)
  // Called with every token of the response in turn; true ends it, as a stop token does. For what
  // depends on the tokens' text (policy/stop_strings.h).
  std::function<bool(int32_t)> stop;
  int alternatives = 0;  // how many of the most likely tokens to tell at every place, to 64
};

struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;
  bool operator==(const TokenLogprob&) const = default;
};

struct Response {
  int64_t episode = 0;
  std::vector<int32_t> tokens;        // sampled, the stop token included
  std::vector<float> logprobs;        // of each under the distribution it was sampled from
  std::vector<float> model_logprobs;  // of each under the model's own: temperature 1, all tokens
  // Per token: the most likely ones under the model's own distribution, best first. Empty unless
  // asked for.
  std::vector<std::vector<TokenLogprob>> alternatives;
  bool stopped = false;  // ended by a stop token or `stop`; else by max_tokens or the context's end

  // Of engines that ask a server (endpoint/) alone:
  absl::Status status;      // not OK: there is no response, and why; OutOfRange: it has no room
  std::string text;         // the answer to messages
  int64_t text_tokens = 0;  // how many tokens the text was
};

struct EngineOptions {
  int slots = 64;                 // rows decoded at once
  int prefill_chunk = 64;         // most prompt tokens read beside them in one step
  int max_context_tokens = 1024;  // per episode
  int max_episodes = 256;         // live at once, in a slot or not
  WeightFormat weight_format = WeightFormat::kFloat32;
  int threads = 1;
  // Keys and values are kept for at most this many tokens of all episodes together, in blocks of
  // kPanel; 0: for all that max_episodes and max_context_tokens allow. When they run out, those of
  // episodes without a response under way are dropped, least recently used first, then those of the
  // youngest response; they are computed again, from the tokens, when needed.
  int64_t kv_cache_tokens = 0;
  std::string device = "cpu";  // or "cuda", "cuda:N" (policy/device.h)
  bool by_libtorch = false;    // compute as on a GPU, on the CPU; for tests
};

struct EngineStats {
  // Since the engine was made.
  int64_t decoded_tokens = 0, decode_steps = 0;
  int64_t prompt_tokens = 0;         // read
  int64_t shared_prompt_tokens = 0;  // not read, because a group's other member had
  int64_t recomputed_tokens = 0;     // read again, because their keys and values were dropped
  int64_t preemptions = 0;           // responses put back for lack of room
  // Now.
  int64_t kv_cache_tokens = 0;       // room in blocks that are in use
  int64_t kv_cache_tokens_max = 0;   // and in all
  int64_t running = 0, waiting = 0;  // responses in a slot, and not
};

// What becomes of the keys and values of open episodes when the weights change.
enum class CachePolicy {
  kRefuse,   // FailedPrecondition when episodes are open
  kKeep,     // they stay those of the old weights; later tokens are the new ones'
  kRebuild,  // they are computed again from the tokens, as if the new weights had read them all
};

class Engine {
 public:
  // Takes a copy of the weights, in the layout of its products. InvalidArgument for impossible
  // options, ResourceExhausted for lack of memory.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(std::shared_ptr<const Model> model,
                                                        EngineOptions options);
  virtual ~Engine() = default;

  // Other weights of the same config, e.g. a newer policy version; between any two steps.
  virtual absl::Status SetModel(std::shared_ptr<const Model> model, CachePolicy cache) = 0;
  absl::Status SetModel(std::shared_ptr<const Model> model) {
    return SetModel(std::move(model), CachePolicy::kRefuse);
  }

  // Opens n episodes of one group that begin with the same prompt: its keys and values are computed
  // once and shared. ResourceExhausted when more than max_episodes would be live.
  virtual absl::StatusOr<std::vector<int64_t>> OpenGroup(absl::Span<const int32_t> prompt,
                                                         int n) = 0;
  // Drops a response under way; an unknown episode is no error.
  virtual void Close(int64_t episode) = 0;

  // Asks for the episode's next response; at most one is under way per episode. Right after
  // OpenGroup the request's prompt must be empty (the group's prompt is what is answered).
  // OutOfRange when prompt and one token would not fit in the context: max_context_tokens, or
  // kv_cache_tokens if these are fewer.
  virtual absl::Status Respond(int64_t episode, ResponseRequest request) = 0;

  // One pass over the weights: decodes a token for every slot that has read its prompt, and reads
  // up to `prefill_chunk` tokens of the others' prompts. Returns the responses that are complete.
  // An empty vector with nothing under way: idle(). Internal when the weights give numbers that are
  // not finite, ResourceExhausted when the system has no more memory.
  virtual absl::StatusOr<std::vector<Response>> Step() = 0;
  virtual bool idle() const = 0;

  // The response under way, as far as it is; null without one. Until the next call that is not
  // const.
  virtual const Response* running(int64_t episode) const { return nullptr; }

  virtual int64_t context_tokens(int64_t episode) const = 0;  // its tokens so far
  virtual EngineStats stats() const = 0;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_ENGINE_H_
