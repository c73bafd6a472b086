#include "policy/chat.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "common/files.h"
#include "policy/chat_template.h"
#include "policy/chat_template_value.h"
#include "policy/tokenizer_json.h"

namespace sojourn::policy {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr char kChatMl[] =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

// Stands for the contents of message `i`: a word that no template has in it.
std::string Mark(size_t i) { return absl::StrCat("qzSojourn", i, "Contentzq"); }

struct Message {
  const char* role;
  std::string content;
};

absl::StatusOr<Json> ReadJson(const std::filesystem::path& path) {
  const absl::StatusOr<std::string> text = ReadFile(path.string());
  if (!text.ok())
    return absl::IsNotFound(text.status()) ? absl::StatusOr<Json>(Json()) : text.status();
  absl::StatusOr<Json> json = ParseJson(*text);
  return json.ok() ? std::move(json) : At(path.string(), json.status());
}

}  // namespace

absl::StatusOr<ChatSource> ReadChatSource(const std::string& directory,
                                          const Tokenizer& tokenizer) {
  const std::filesystem::path folder(directory);
  ChatSource source;
  const std::string config_path = (folder / "tokenizer_config.json").string();
  const absl::StatusOr<Json> config = ReadJson(config_path);
  if (!config.ok()) return config.status();
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
    const Json& token = Member(*config, key);
    const std::string text = token.is_string() ? token.get<std::string>() : Text(token, "content");
    if (!text.empty()) source.variables[key] = text;
  }

  const std::string template_path = (folder / "chat_template.jinja").string();
  if (absl::StatusOr<std::string> text = ReadFile(template_path); text.ok()) {
    source.name = template_path;
    source.chat_template = *std::move(text);
  } else if (!absl::IsNotFound(text.status())) {
    return text.status();
  } else if (const Json& found = Member(*config, "chat_template"); !found.is_null()) {
    source.name = config_path + ": chat_template";
    if (found.is_string()) source.chat_template = found.get<std::string>();
    for (const Json& named : found.is_array() ? found : Json::array()) {  // several, by name
      if (Text(named, "name") == "default") source.chat_template = Text(named, "template");
    }
    if (source.chat_template.empty())
      return Unsupported(source.name, found, "a template, or a list with one named default");
  }

  for (const char* file : {"generation_config.json", "config.json"}) {
    const std::string path = (folder / file).string();
    const absl::StatusOr<Json> generation = ReadJson(path);
    if (!generation.ok()) return generation.status();
    const Json& ids = Member(*generation, "eos_token_id");
    if (ids.is_null()) continue;
    for (const Json& id : ids.is_array() ? ids : Json::array({ids})) {
      if (!id.is_number_integer() || id < 0 || id >= tokenizer.vocab_size())
        return Unsupported(path + ": eos_token_id", ids, "ids of the tokenizer");
      source.stop_tokens.push_back(id.get<int32_t>());
    }
    break;
  }
  return source;
}

// Takes a template apart.
class ChatFormat::Builder {
 public:
  Builder(const Tokenizer& tokenizer, const ChatSource& source, ChatTemplate chat_template)
      : tokenizer_(tokenizer), source_(source), template_(std::move(chat_template)) {}

  absl::StatusOr<ChatFormat> Build() {
    ChatFormat format(tokenizer_);
    absl::Status status = Observation(&format);
    if (status.ok()) status = Beginnings(&format);
    if (status.ok()) status = Trims(&format);
    if (!status.ok()) return status;
    return format;
  }

 private:
  absl::Status Refuse(std::string_view why) const {
    return absl::InvalidArgumentError(
        absl::StrCat(source_.name, ": the template cannot be used for several turns: ", why));
  }

  absl::StatusOr<std::string> Render(const std::vector<Message>& messages) const {
    // The date that Llama 3.1's template names where it is told none.
    constexpr int64_t kNow = 1721995200;
    OrderedJson variables = source_.variables;
    variables["messages"] = OrderedJson::array();
    for (const Message& m : messages)
      variables["messages"].push_back({{"role", m.role}, {"content", m.content}});
    for (const char* none : {"tools", "documents"}) {
      if (!variables.contains(none)) variables[none] = nullptr;
    }
    variables["add_generation_prompt"] = true;
    return template_.Render(variables, absl::FromUnixSeconds(kNow));
  }

  // A rendering of messages whose contents are marks, cut there: the text before the first, between
  // the first and the second, ..., after the last.
  absl::StatusOr<std::vector<std::string>> Cut(const std::vector<const char*>& roles) const {
    std::vector<Message> messages;
    for (size_t i = 0; i < roles.size(); ++i) messages.push_back({roles[i], Mark(i)});
    absl::StatusOr<std::string> text = Render(messages);
    if (!text.ok()) return text.status();
    std::vector<std::string> parts;
    std::string_view rest = *text;
    for (size_t i = 0; i < roles.size(); ++i) {
      const std::string mark = Mark(i);
      const size_t at = rest.find(mark);
      if (at == std::string_view::npos || text->find(mark) != text->rfind(mark)) {
        return Refuse(absl::StrCat(
            "it shows the content of message ", i + 1, " (", roles[i], ") ",
            at == std::string_view::npos ? "not, or changed or not in order" : "more than once"));
      }
      parts.emplace_back(rest.substr(0, at));
      rest.remove_prefix(at + mark.size());
    }
    parts.emplace_back(rest);
    return parts;
  }

  // What stands between a response and the next, from the turn's end on.
  absl::Status Observation(ChatFormat* format) {
    auto two = Cut({"user", "assistant", "user"});
    if (!two.ok()) return two.status();
    const auto three = Cut({"user", "assistant", "user", "assistant", "user"});
    if (!three.ok()) return three.status();
    std::string after_response = (*two)[2], opening = (*two)[3];
    if ((*three)[4] != after_response || (*three)[5] != opening)
      return Refuse("what it puts around an observation differs from turn to turn");
    // The turn's end: the first stop token there, or else the first special token.
    format->stop_tokens_ = source_.stop_tokens;
    if (source_.variables.contains("eos_token")) {
      const int32_t eos = tokenizer_.SpecialId(source_.variables["eos_token"].get<std::string>());
      if (eos >= 0) format->stop_tokens_.push_back(eos);
    }
    const std::vector<int32_t> ids = tokenizer_.Encode(after_response, {.parse_special = true});
    const auto& stops = format->stop_tokens_;
    auto end = std::find_first_of(ids.begin(), ids.end(), stops.begin(), stops.end());
    if (end == ids.end()) {
      end = std::find_if(ids.begin(), ids.end(), [&](int32_t id) {
        return tokenizer_.Decode({&id, 1}).empty() && !tokenizer_.Decode({&id, 1}, true).empty();
      });
    }
    if (end == ids.end())
      return Refuse(
          "it puts no special token after an assistant's content that could end a response");
    const int32_t stop = *end;
    const std::string stop_text = tokenizer_.Decode({&stop, 1}, true);
    const size_t at = after_response.find(stop_text);
    if (at == std::string::npos || tokenizer_.SpecialId(stop_text) != stop)
      return Refuse(absl::StrCat("the turn's end, token ", stop, ", does not stand in its text"));
    std::vector<int32_t>& all = format->stop_tokens_;
    all.insert(all.begin(), stop);
    std::vector<int32_t> unique;
    for (const int32_t id : all) {
      if (std::find(unique.begin(), unique.end(), id) == unique.end()) unique.push_back(id);
    }
    all = std::move(unique);
    format->observe_ = {{kText, after_response.substr(at)}, {kObservation, ""}, {kText, opening}};
    return absl::OkStatus();
  }

  absl::Status Beginnings(ChatFormat* format) {
    for (const bool instructions : {false, true}) {
      for (const bool acceptance : {false, true}) {
        std::vector<const char*> roles;
        std::vector<Slot> slots;
        const auto add = [&](const char* role, Slot slot) {
          roles.push_back(role);
          slots.push_back(slot);
        };
        if (instructions) add("user", kInstructions);
        if (acceptance) add("assistant", kAcceptance);
        add("user", kObservation);
        auto parts = Cut(roles);
        std::vector<Piece>& pieces = format->begin_[instructions][acceptance];
        if (!parts.ok() && instructions != acceptance) {
          // Roles that do not alternate.
          parts = Cut({"user"});
          slots = {kObservation};
        }
        if (!parts.ok()) return parts.status();
        const bool joined = instructions && slots.size() == 1;
        for (size_t i = 0; i < slots.size(); ++i) {
          pieces.push_back({kText, (*parts)[i]});
          if (joined) {
            pieces.push_back({kInstructions, ""});
            pieces.push_back({kText, "\n\n"});
          }
          pieces.push_back({slots[i], ""});
        }
        pieces.push_back({kText, parts->back()});
      }
    }
    return absl::OkStatus();
  }

  // Whether space around contents is kept.
  absl::Status Trims(ChatFormat* format) {
    const auto plain = Cut({"user", "assistant", "user"});
    if (!plain.ok()) return plain.status();
    for (const char space : {' ', '\n'}) {
      const auto around = [&](size_t i) {
        return absl::StrCat(std::string(1, space), Mark(i), std::string(1, space));
      };
      const auto spaced =
          Render({{"user", around(0)}, {"assistant", around(1)}, {"user", Mark(2)}});
      if (!spaced.ok()) return spaced.status();
      std::string_view rest = *spaced;
      for (size_t i = 0; i < 2; ++i) {
        const std::string &before = (*plain)[i], &after = (*plain)[i + 1];
        const std::string_view left = rest.substr(0, rest.find(Mark(i)));
        rest.remove_prefix(std::min(rest.size(), left.size() + Mark(i).size()));
        const bool kept_right =
            rest.substr(0, 1) == std::string(1, space) && rest.substr(1, after.size()) == after;
        const Trim trim{.left = left == before,
                        .right = !kept_right && rest.substr(0, after.size()) == after};
        Trim& known = i == 0 ? format->user_ : format->assistant_;
        if (space == ' ') known = trim;
        if ((!trim.left && left != absl::StrCat(before, std::string(1, space))) ||
            (!trim.right && !kept_right) || trim.left != known.left || trim.right != known.right)
          return Refuse("it changes the space around contents in other ways than strip");
        rest.remove_prefix(kept_right ? 1 : 0);
      }
    }
    return absl::OkStatus();
  }

  const Tokenizer& tokenizer_;
  const ChatSource& source_;
  ChatTemplate template_;
};

absl::StatusOr<ChatFormat> ChatFormat::Create(const Tokenizer& tokenizer,
                                              const ChatSource& source) {
  ChatSource used = source;
  if (used.chat_template.empty()) {
    const int32_t start = tokenizer.SpecialId("<|im_start|>");
    const int32_t end = tokenizer.SpecialId("<|im_end|>");
    if (start < 0 || end < 0) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the tokenizer has no special token ", start < 0 ? "<|im_start|>" : "<|im_end|>",
          "; without a chat template conversations are in ChatML, which needs <|im_start|> and "
          "<|im_end|>"));
    }
    used = {.chat_template = kChatMl, .stop_tokens = {end}};
  }
  absl::StatusOr<ChatTemplate> parsed = ChatTemplate::Parse(used.chat_template, used.name);
  if (!parsed.ok()) return parsed.status();
  return Builder(tokenizer, used, *std::move(parsed)).Build();
}

absl::StatusOr<ChatFormat> ChatFormat::Load(const Tokenizer& tokenizer,
                                            const std::string& directory) {
  const absl::StatusOr<ChatSource> source = ReadChatSource(directory, tokenizer);
  if (!source.ok()) return source.status();
  return Create(tokenizer, *source);
}

std::vector<int32_t> ChatFormat::Fill(const std::vector<Piece>& pieces,
                                      std::string_view instructions, std::string_view acceptance,
                                      std::string_view observation) const {
  const auto stripped = [](std::string_view text, const Trim& trim) {
    return chat_template::Strip(text, trim.left, trim.right);
  };
  const std::string_view contents[] = {stripped(instructions, user_),
                                       stripped(acceptance, assistant_),
                                       stripped(observation, user_)};
  std::vector<TextPart> parts;
  for (const Piece& piece : pieces) {
    parts.push_back(piece.slot == kText ? TextPart{piece.text, true}
                                        : TextPart{contents[piece.slot], false});
  }
  return tokenizer_->EncodeParts(parts);
}

std::vector<int32_t> ChatFormat::Begin(std::string_view instructions, std::string_view acceptance,
                                       std::string_view observation) const {
  return Fill(begin_[!instructions.empty()][!acceptance.empty()], instructions, acceptance,
              observation);
}

std::vector<int32_t> ChatFormat::Observe(std::string_view observation, bool stopped) const {
  std::vector<int32_t> tokens = Fill(observe_, "", "", observation);
  if (stopped) tokens.erase(tokens.begin());  // the turn's end, which was sampled
  return tokens;
}

std::string ChatFormat::ResponseText(absl::Span<const int32_t> response) const {
  if (!response.empty() &&
      std::find(stop_tokens_.begin(), stop_tokens_.end(), response.back()) != stop_tokens_.end())
    response.remove_suffix(1);
  return tokenizer_->Decode(response);
}

}  // namespace sojourn::policy
