#include "policy/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // A tokenizer.json, and behind a zero byte a text for it.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), input.size());
  const auto tokenizer = sojourn::policy::Tokenizer::Parse(input.substr(0, end), "tokenizer.json");
  if (!tokenizer.ok()) return 0;
  std::string text(input.substr(end).substr(0, 2000));
  text += "Hello, world! 12345\n\t <|im_end|> \xc3\xa9\xff";
  for (const bool special : {false, true}) {
    const auto ids = (*tokenizer)->Encode(text, {.parse_special = special, .add_special = special});
    for (const int32_t id : ids) {
      if (id < 0 || id >= (*tokenizer)->vocab_size()) __builtin_trap();
    }
    (void)(*tokenizer)->Decode(ids, special);
  }
  return 0;
}
