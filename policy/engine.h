// The inference engine: many live episodes, each with its own KV cache kept across turns, decoded
// together by continuous batching.
//
// Deterministic by fixed shapes: decoding always runs `slots` rows and reading prompts `prefill_chunk`
// rows, padded, and attention goes over each episode's own length in a fixed order; so a response depends
// only on the weights, the episode's tokens and its random key, never on what else is in the batch.
//
// This header has no LibTorch in it. Not thread-safe: one thread drives an engine.
#ifndef SOJOURN_POLICY_ENGINE_H_
#define SOJOURN_POLICY_ENGINE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/random.h"

namespace sojourn::policy {

class Model;

struct SamplingParameters {
  double temperature = 1;    // 0: greedy (log-probabilities are then of the model's own distribution)
  double top_p = 1;          // nucleus, after temperature; 1 = off
  int top_k = 0;             // 0 = off
};

struct ResponseRequest {
  std::vector<int32_t> prompt;      // appended to the episode's tokens first; not empty
  SamplingParameters sampling;
  int max_tokens = 0;               // of the response, > 0
  std::vector<int32_t> stop_tokens; // ends the response; the stop token is part of it
  RandomKey key{0};                 // token t of the response draws from key.With(t)
};

struct Response {
  int64_t episode = 0;
  std::vector<int32_t> tokens;      // sampled, the stop token included
  std::vector<float> logprobs;      // of each under the distribution it was sampled from
  bool stopped = false;             // ended by a stop token; else by max_tokens or the context's end
};

struct EngineOptions {
  int slots = 64;                   // rows decoded at once
  int prefill_chunk = 64;           // prompt tokens read at once
  int max_context_tokens = 1024;    // per episode
  int max_episodes = 256;           // live at once, in a slot or not
};

struct EngineStats {                // since the engine was made
  int64_t decoded_tokens = 0, decode_steps = 0, prompt_tokens = 0, shared_prompt_tokens = 0;
};

class Engine {
 public:
  // The model's weights are read in place and must not change while the engine uses them.
  static absl::StatusOr<std::unique_ptr<Engine>> Create(std::shared_ptr<const Model> model, EngineOptions options);
  virtual ~Engine() = default;

  // Opens n episodes of one group that begin with the same prompt: its keys and values are computed once
  // and shared. ResourceExhausted when more than max_episodes would be live.
  virtual absl::StatusOr<std::vector<int64_t>> OpenGroup(absl::Span<const int32_t> prompt, int n) = 0;
  virtual void Close(int64_t episode) = 0;

  // Asks for the episode's next response; at most one is under way per episode. Right after OpenGroup the
  // request's prompt must be empty (the group's prompt is what is answered). OutOfRange when prompt and
  // one token would not fit in max_context_tokens.
  virtual absl::Status Respond(int64_t episode, ResponseRequest request) = 0;

  // One step: reads prompt chunks of waiting requests into free slots, or decodes one token for every
  // slot in use. Returns the responses that are complete. An empty vector with nothing under way: idle().
  virtual absl::StatusOr<std::vector<Response>> Step() = 0;
  virtual bool idle() const = 0;

  virtual int64_t context_tokens(int64_t episode) const = 0;   // its tokens so far
  virtual EngineStats stats() const = 0;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_ENGINE_H_
