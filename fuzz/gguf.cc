#include <string_view>
#include <vector>

#include "policy/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = sojourn::policy::GgufFile::Parse({data, size}, "model.gguf");
  if (!file.ok()) return 0;
  (void)(*file)->Find<std::vector<std::string_view>>("tokenizer.ggml.tokens");
  (void)(*file)->Find<std::vector<double>>("tokenizer.ggml.scores");
  (void)(*file)->Find<int64_t>("llama.block_count");
  for (const auto& [name, tensor] : (*file)->tensors()) {
    if (tensor.count > 1 << 20) continue;
    std::vector<float> values(tensor.count);
    (void)sojourn::policy::Dequantize(tensor.type, tensor.data, tensor.count, values.data());
  }
  return 0;
}
