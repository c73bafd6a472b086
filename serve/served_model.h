// Loads what `sojourn-serve` serves: weights into an engine, tokenizer, chat template.
#ifndef SOJOURN_SERVE_SERVED_MODEL_H_
#define SOJOURN_SERVE_SERVED_MODEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "policy/engine.h"
#include "serve/openai_server.h"

namespace sojourn::serve {

struct LoadedModel {
  ServedModel served;
  std::unique_ptr<policy::Engine> engine;
};

// `options.max_context_tokens` 0: as many as the model was made for. `options.kv_cache_tokens` 0:
// for every slot. `name` empty: the path's last part.
absl::StatusOr<LoadedModel> LoadServedModel(const std::string& path, const std::string& name,
                                            policy::EngineOptions options);

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_SERVED_MODEL_H_
