// Answers of OpenAI's API: whole ones, and the chunks of streamed ones (server-sent events). No
// HTTP.
#ifndef SOJOURN_SERVE_OPENAI_RESPONSE_H_
#define SOJOURN_SERVE_OPENAI_RESPONSE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "policy/tokenizer.h"
#include "serve/model_server.h"
#include "serve/openai_request.h"

namespace sojourn::serve {

// What an answer is about, fixed when its request has been read.
struct AnswerContext {
  bool chat = false;  // else a text completion
  std::string id, model;
  int64_t created = 0;  // Unix seconds
  RequestOptions options;
  std::vector<std::vector<int32_t>> prompts;
  std::vector<std::string> echoed;  // a completion's prompts as text, to be put before the answers
  std::vector<int32_t> eos_tokens;  // the model's own: their stop_reason is null, as in vLLM
};

// Renders the pieces of one generation. Keeps references to both arguments.
class AnswerWriter {
 public:
  AnswerWriter(const AnswerContext& context, const policy::Tokenizer& tokenizer)
      : context_(context), tokenizer_(tokenizer) {}

  // The events that these pieces make, each `data: {...}\n\n`; a choice's first one opens it.
  std::string Events(const std::vector<Piece>& pieces);
  // What ends a stream: usage when it was asked for, and [DONE].
  std::string LastEvents();
  // An error after the stream has begun.
  static std::string ErrorEvent(const absl::Status& status);

  // The alternative: everything at once.
  void Add(std::vector<Piece> pieces);
  std::string Whole() const;  // once every choice is complete

 private:
  struct ChoiceState {
    Piece all;               // Add's
    bool opened = false;     // Events'
    int64_t characters = 0;  // where the next token's text begins, for text_offset
  };
  int PromptOf(int choice) const { return choice / context_.options.n; }

  const AnswerContext& context_;
  const policy::Tokenizer& tokenizer_;
  std::map<int, ChoiceState> choices_;
  int64_t completion_tokens_ = 0, cached_tokens_ = 0;
};

std::string ModelBody(const std::string& model, int64_t created, int64_t max_context_tokens);
std::string ModelsBody(const std::string& model, int64_t created, int64_t max_context_tokens);

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_OPENAI_RESPONSE_H_
