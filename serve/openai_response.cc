#include "serve/openai_response.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "serve/api_error.h"

namespace sojourn::serve {
namespace {

using Json = nlohmann::ordered_json;

std::string Text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Event(const Json& value) { return absl::StrCat("data: ", Text(value), "\n\n"); }

int64_t CountCharacters(std::string_view utf8) {
  return std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// What stands for a token where text is wanted. Alone it may be a part of a character: Text makes
// U+FFFD of that.
class TokenTexts {
 public:
  TokenTexts(const policy::Tokenizer& tokenizer, bool as_ids)
      : tokenizer_(tokenizer), as_ids_(as_ids) {}
  std::string Bytes(int32_t token) const { return tokenizer_.TokenBytes(token); }
  std::string Shown(int32_t token) const {
    return as_ids_ ? absl::StrCat("token_id:", token) : Bytes(token);
  }

 private:
  const policy::Tokenizer& tokenizer_;
  const bool as_ids_;
};

Json ChatLogprob(const TokenTexts& texts, int32_t token, float logprob) {
  Json bytes = Json::array();
  for (const char byte : texts.Bytes(token)) bytes.push_back(static_cast<uint8_t>(byte));
  return {{"token", texts.Shown(token)}, {"logprob", logprob}, {"bytes", std::move(bytes)}};
}

Json ChatLogprobs(const TokenTexts& texts, const std::vector<GeneratedToken>& tokens) {
  Json content = Json::array();
  for (const GeneratedToken& token : tokens) {
    Json entry = ChatLogprob(texts, token.token, token.logprob);
    Json& top = entry["top_logprobs"] = Json::array();
    for (const policy::TokenLogprob& one : token.top) {
      top.push_back(ChatLogprob(texts, one.token, one.logprob));
    }
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

// `characters`: where the first token's text begins; moved to where the last one's ends.
Json CompletionLogprobs(const TokenTexts& texts, const std::vector<GeneratedToken>& tokens,
                        bool alternatives, int64_t& characters) {
  Json names = Json::array(), logprobs = Json::array(), top = Json::array(),
       offsets = Json::array();
  for (const GeneratedToken& token : tokens) {
    const std::string name = texts.Shown(token.token);
    offsets.push_back(characters);
    characters += CountCharacters(texts.Bytes(token.token));
    logprobs.push_back(token.logprob);
    Json likely = Json::object();
    for (const policy::TokenLogprob& one : token.top) likely[texts.Shown(one.token)] = one.logprob;
    likely[name] = token.logprob;  // the sampled one is always among them
    top.push_back(alternatives ? std::move(likely) : Json(nullptr));
    names.push_back(name);
  }
  return {{"tokens", std::move(names)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", alternatives ? std::move(top) : Json(nullptr)},
          {"text_offset", std::move(offsets)}};
}

Json FinishReason(const std::optional<Finish>& finish) {
  if (!finish.has_value()) return nullptr;
  return finish->reason == Finish::kStop ? "stop" : "length";
}

Json StopReason(const std::optional<Finish>& finish, const std::vector<int32_t>& eos_tokens) {
  if (!finish.has_value()) return nullptr;
  if (const auto* text = std::get_if<std::string>(&finish->by)) return *text;
  if (const auto* token = std::get_if<int32_t>(&finish->by)) {
    if (std::find(eos_tokens.begin(), eos_tokens.end(), *token) == eos_tokens.end()) return *token;
  }
  return nullptr;
}

Json TokenIds(const std::vector<GeneratedToken>& tokens) {
  Json ids = Json::array();
  for (const GeneratedToken& token : tokens) ids.push_back(token.token);
  return ids;
}

Json Usage(const AnswerContext& context, int64_t completion_tokens, int64_t cached_tokens) {
  int64_t prompt_tokens = 0;
  for (const auto& prompt : context.prompts) prompt_tokens += prompt.size();
  return {{"prompt_tokens", prompt_tokens},
          {"completion_tokens", completion_tokens},
          {"total_tokens", prompt_tokens + completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", cached_tokens}}}};
}

Json Head(const AnswerContext& context, bool chunk) {
  const char* object =
      context.chat ? chunk ? "chat.completion.chunk" : "chat.completion" : "text_completion";
  return {{"id", context.id},
          {"object", object},
          {"created", context.created},
          {"model", context.model}};
}

Json ModelEntry(const std::string& model, int64_t created, int64_t max_context_tokens) {
  return {{"id", model},
          {"object", "model"},
          {"created", created},
          {"owned_by", "sojourn"},
          {"max_model_len", max_context_tokens}};
}

}  // namespace

std::string AnswerWriter::Events(const std::vector<Piece>& pieces) {
  const RequestOptions& options = context_.options;
  const TokenTexts texts(tokenizer_, options.tokens_as_ids);
  std::string events;
  for (const Piece& piece : pieces) {
    ChoiceState& choice = choices_[piece.choice];
    completion_tokens_ += piece.tokens.size();
    cached_tokens_ += piece.cached_tokens;
    const int prompt = PromptOf(piece.choice);
    const bool opens = !std::exchange(choice.opened, true);
    const std::string* echo =
        opens && !context_.echoed.empty() ? &context_.echoed[prompt] : nullptr;

    Json chunk = Head(context_, true);
    Json entry = {{"index", piece.choice}};
    if (context_.chat) {
      Json& delta = entry["delta"] = Json::object();
      if (opens) delta["role"] = "assistant";
      if (opens || !piece.text.empty()) delta["content"] = piece.text;
    } else {
      entry["text"] = echo != nullptr ? absl::StrCat(*echo, piece.text) : piece.text;
    }
    entry["logprobs"] = nullptr;
    if (options.top_logprobs.has_value() && !piece.tokens.empty()) {
      entry["logprobs"] = context_.chat
                              ? ChatLogprobs(texts, piece.tokens)
                              : CompletionLogprobs(texts, piece.tokens, *options.top_logprobs > 0,
                                                   choice.characters);
    }
    entry["finish_reason"] = FinishReason(piece.finish);
    if (piece.finish.has_value()) {
      entry["stop_reason"] = StopReason(piece.finish, context_.eos_tokens);
    }
    if (options.return_token_ids) {
      entry["token_ids"] = TokenIds(piece.tokens);
      if (opens) (context_.chat ? chunk : entry)["prompt_token_ids"] = context_.prompts[prompt];
    }
    const bool tells = opens || !piece.text.empty() || piece.finish.has_value() ||
                       options.return_token_ids || !entry["logprobs"].is_null();
    if (!tells) continue;  // text that is held back
    chunk["choices"] = Json::array({std::move(entry)});
    if (options.include_usage) chunk["usage"] = nullptr;
    events += Event(chunk);
  }
  return events;
}

std::string AnswerWriter::LastEvents() {
  std::string events;
  if (context_.options.include_usage) {
    Json chunk = Head(context_, true);
    chunk["choices"] = Json::array();
    chunk["usage"] = Usage(context_, completion_tokens_, cached_tokens_);
    events = Event(chunk);
  }
  return events + "data: [DONE]\n\n";
}

std::string AnswerWriter::ErrorEvent(const absl::Status& status) {
  return absl::StrCat("data: ", ErrorBody(status), "\n\n");
}

void AnswerWriter::Add(std::vector<Piece> pieces) {
  for (Piece& piece : pieces) {
    completion_tokens_ += piece.tokens.size();
    cached_tokens_ += piece.cached_tokens;
    Piece& all = choices_[piece.choice].all;
    all.text += piece.text;
    std::move(piece.tokens.begin(), piece.tokens.end(), std::back_inserter(all.tokens));
    if (piece.finish.has_value()) all.finish = std::move(piece.finish);
  }
}

std::string AnswerWriter::Whole() const {
  const RequestOptions& options = context_.options;
  const TokenTexts texts(tokenizer_, options.tokens_as_ids);
  Json answer = Head(context_, false);
  Json& entries = answer["choices"] = Json::array();
  for (const auto& [index, choice] : choices_) {
    const Piece& piece = choice.all;
    const int prompt = PromptOf(index);
    Json entry = {{"index", index}};
    if (context_.chat) {
      entry["message"] = {{"role", "assistant"}, {"content", piece.text}, {"refusal", nullptr}};
    } else {
      entry["text"] =
          context_.echoed.empty() ? piece.text : absl::StrCat(context_.echoed[prompt], piece.text);
    }
    entry["logprobs"] = nullptr;
    if (options.top_logprobs.has_value()) {
      int64_t characters = 0;
      entry["logprobs"] = context_.chat ? ChatLogprobs(texts, piece.tokens)
                                        : CompletionLogprobs(texts, piece.tokens,
                                                             *options.top_logprobs > 0, characters);
    }
    entry["finish_reason"] = FinishReason(piece.finish);
    entry["stop_reason"] = StopReason(piece.finish, context_.eos_tokens);
    if (options.return_token_ids) {
      entry["token_ids"] = TokenIds(piece.tokens);
      if (!context_.chat) entry["prompt_token_ids"] = context_.prompts[prompt];
    }
    entries.push_back(std::move(entry));
  }
  answer["usage"] = Usage(context_, completion_tokens_, cached_tokens_);
  if (options.return_token_ids && context_.chat) {
    answer["prompt_token_ids"] = context_.prompts.front();
  }
  return Text(answer);
}

std::string ModelBody(const std::string& model, int64_t created, int64_t max_context_tokens) {
  return Text(ModelEntry(model, created, max_context_tokens));
}

std::string ModelsBody(const std::string& model, int64_t created, int64_t max_context_tokens) {
  return Text({{"object", "list"},
               {"data", Json::array({ModelEntry(model, created, max_context_tokens)})}});
}

}  // namespace sojourn::serve
