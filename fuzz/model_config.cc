#include "policy/model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto config = sojourn::policy::ParseModelConfig({reinterpret_cast<const char*>(data), size}, "config.json");
  // What is accepted is written so that it reads as the same.
  if (config.ok() && !sojourn::policy::ParseModelConfig(sojourn::policy::ModelConfigJson(*config), "again").ok()) {
    __builtin_trap();
  }
  return 0;
}
