#include "serve/openai_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  (void)sojourn::serve::ParseChatRequest(body);
  (void)sojourn::serve::ParseCompletionRequest(body);
  return 0;
}
