// What a model directory of Hugging Face's says beside its weights and its tokenizer: how it is
// talked to, what ends its answers, how it is sampled. No LibTorch.
#ifndef SOJOURN_SERVE_MODEL_SETTINGS_H_
#define SOJOURN_SERVE_MODEL_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/engine.h"
#include "policy/tokenizer.h"

namespace sojourn::serve {

struct ModelSettings {
  // chat_template.jinja, else tokenizer_config.json's (of several the one named "default"), else
  // ChatML when the tokenizer has its special tokens, else empty: the model does not chat.
  std::string chat_template;
  std::string bos, eos;  // the special tokens' text; empty: none
  // config.json's and generation_config.json's eos_token_id, the eos token, and ChatML's end.
  std::vector<int32_t> eos_tokens;
  policy::SamplingParameters sampling;  // generation_config.json's; greedy when it does not sample
};

// `directory` may be a GGUF file. Files that are absent say nothing; DataLoss names one that is malformed.
absl::StatusOr<ModelSettings> ReadModelSettings(const std::string& directory,
                                                const policy::Tokenizer& tokenizer);

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_MODEL_SETTINGS_H_
