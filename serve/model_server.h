// Generation for many callers at once: one thread owns the inference engine, callers submit
// requests to a bounded queue and wait for the pieces of their answers. Requests begin in the order
// they came, as soon as enough of the engine's slots are free.
//
// A conversation's keys and values are kept for its next turn: a prompt that goes on from an
// earlier one and its answer, token by token, is read from there.
//
// The same request with the same seed gives the same answer, whatever else is under way or was kept
// (engine.h).
// No LibTorch, no HTTP.
#ifndef SOJOURN_SERVE_MODEL_SERVER_H_
#define SOJOURN_SERVE_MODEL_SERVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "policy/engine.h"
#include "policy/tokenizer.h"

namespace sojourn::serve {

struct GenerationRequest {
  std::vector<std::vector<int32_t>> prompts;  // none empty
  int n = 1;                                  // choices for each prompt
  policy::SamplingParameters sampling;
  int max_tokens = 0;  // of each choice; it also ends where the context does
  std::vector<int32_t> stop_tokens;
  std::vector<std::string> stop;  // none empty
  uint64_t seed = 0;              // choice c draws from RandomKey(seed).With(c)
  int top_logprobs = 0;
  bool stream = true;  // else every choice is one piece, once it is complete: nobody is woken before
};

struct GeneratedToken {
  int32_t token = 0;
  float logprob = 0;  // which one: ModelServerOptions
  // The model's most likely ones, `top_logprobs` of them, best first.
  std::vector<policy::TokenLogprob> top;
};

struct Finish {
  enum Reason { kStop, kLength } reason = kStop;
  // The stop string or the stop token that ended it.
  std::variant<std::monostate, std::string, int32_t> by;
};

// What is new of one choice.
struct Piece {
  int choice = 0;  // prompt * n + choice of that prompt
  // Valid UTF-8 in whole characters, without special tokens, and without a stop string or what may
  // become one. So it may lag behind the tokens.
  std::string text;
  std::vector<GeneratedToken> tokens;  // the stop token, or those of the stop string, included
  std::optional<Finish> finish;        // the choice is complete
  int64_t cached_tokens = 0;           // of the prompt, not read again; in the choice's first piece
};

// A request under way. One thread at a time. Destroying it cancels what is not complete: its slots
// go to others.
class Generation {
 public:
  virtual ~Generation() = default;
  // Waits for something new until `deadline`: at most one piece per choice, in their order; none
  // when the deadline has passed. Once every choice is complete: OutOfRange. Internal when the
  // engine failed, Unavailable when the server stops.
  virtual absl::StatusOr<std::vector<Piece>> Next(absl::Time deadline) = 0;
};

struct ModelServerOptions {
  int slots = 32;        // choices under way at once
  int max_queued = 128;  // prompts that wait for slots
  int max_kept = 32;     // conversations; the engine's max_episodes must be slots and these
  // Tokens' log-probabilities are of the distribution they were drawn from, after temperature,
  // top-k and top-p; else of the model's own.
  bool processed_logprobs = false;
};

struct ModelServerStats {
  policy::EngineStats engine;
  int running = 0;  // choices
  int queued = 0;   // prompts
};

class ModelServer {
 public:
  // Keeps a reference to the tokenizer.
  static std::unique_ptr<ModelServer> Start(std::unique_ptr<policy::Engine> engine,
                                            const policy::Tokenizer& tokenizer,
                                            const ModelServerOptions& options);
  virtual ~ModelServer() = default;  // stops; generations that outlive it get Unavailable

  // ResourceExhausted when the queue has no room, Unavailable when the server stops,
  // InvalidArgument when the request could never run. What only the engine sees (a token out of
  // the vocabulary, a prompt too long) comes from Next.
  virtual absl::StatusOr<std::unique_ptr<Generation>> Submit(GenerationRequest request) = 0;

  // Ends what is under way and queued with Unavailable, and takes no more.
  virtual void Stop() = 0;
  virtual ModelServerStats stats() const = 0;
};

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_MODEL_SERVER_H_
