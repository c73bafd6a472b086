// What a model's files say about texts: its tokenizer and its chat template. No LibTorch.
#ifndef SOJOURN_POLICY_TEXT_FILES_H_
#define SOJOURN_POLICY_TEXT_FILES_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "policy/chat.h"
#include "policy/tokenizer.h"

namespace sojourn::policy {

bool IsGguf(const std::string& path);  // by its name

// `path` is a Hugging Face directory or a GGUF file, here and below.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& path);
absl::StatusOr<ChatSource> LoadChatSource(const std::string& path, const Tokenizer& tokenizer);

// Writes a GGUF file's tokenizer, chat template and token ids as a Hugging Face directory has them.
absl::Status ExportTextFiles(const std::string& gguf_path, const std::string& directory);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_TEXT_FILES_H_
