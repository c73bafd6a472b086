#include "policy/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto parsed = sojourn::policy::ChatTemplate::Parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!parsed.ok()) return 0;
  static const auto& variables = *new nlohmann::ordered_json{
      {"messages",
       {{{"role", "system"}, {"content", "s"}},
        {{"role", "user"}, {"content", " u\n"}},
        {{"role", "assistant"}, {"content", "<think>a</think>b"}},
        {{"role", "user"}, {"content", "again"}}}},
      {"add_generation_prompt", true},
      {"bos_token", "<s>"},
      {"eos_token", "</s>"},
      {"number", 3}};
  (void)parsed->Render(variables, absl::FromUnixSeconds(1722000000));
  return 0;
}
