#include "envs/serve/http_replay.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "envs/python_text.h"
#include "envs/serve/agentgym.h"
#include "envs/textcraft/listing.h"
#include "envs/textcraft/recipe_book.h"

namespace sojourn::envs::serve {
namespace {

using nlohmann::json;

// The text of a member of a JSON object, which must be well formed; "" when there is none.
std::string_view MemberText(std::string_view object, std::string_view name) {
  int depth = 0;
  bool in_string = false;
  size_t string_begin = 0, value_begin = 0;
  std::string_view last_string, key;
  for (size_t i = 0; i < object.size(); ++i) {
    const char c = object[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') {
        in_string = false;
        last_string = object.substr(string_begin, i - string_begin);
      }
      continue;
    }
    if (c == '"') {
      in_string = true;
      string_begin = i + 1;
    } else if (c == ':' && depth == 1) {
      key = last_string;
      value_begin = i + 1;
    } else if (depth == 1 && (c == ',' || c == '}') && key == name) {
      return object.substr(value_begin, i - value_begin);
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  }
  return "";
}

// Finds what of a TextCraft listing may not be: "" when it is one that the original could show.
std::string WrongInListing(const textcraft::RecipeBook& book, std::string_view observation) {
  const std::vector<std::string_view> lines = absl::StrSplit(observation, '\n');
  std::string_view goal = lines.back();
  constexpr std::string_view kGoal = "Goal: craft ";
  if (!goal.starts_with(kGoal) || !goal.ends_with('.')) return "no goal in the last line";
  goal = goal.substr(kGoal.size(), goal.size() - kGoal.size() - 1);
  const int name = book.Find(absl::StrReplaceAll(goal, {{" ", "_"}}));
  if (name < 0) return absl::StrCat("unknown goal ", goal);
  std::set<std::string_view> tree, others, listed;
  for (const int recipe : book.Tree(name)) tree.insert(book.recipes()[recipe].text);
  for (const int recipe : book.Distractors(name)) others.insert(book.recipes()[recipe].text);
  size_t count = 0;
  for (const std::string_view line : lines) {
    if (!absl::StartsWith(line, "craft ")) continue;
    ++count;
    if (!listed.insert(line).second) return absl::StrCat("listed twice: ", line);
    if (!tree.contains(line) && !others.contains(line)) {
      return absl::StrCat("never listed: ", line);
    }
  }
  for (const std::string_view recipe : tree) {
    if (!listed.contains(recipe)) return absl::StrCat("not listed: ", recipe);
  }
  const size_t expected =
      tree.size() + std::min<size_t>(others.size(), textcraft::kAgentGymDistractors);
  if (count != expected) return absl::StrCat(count, " recipes listed instead of ", expected);
  return "";
}

std::string GoalOf(std::string_view observation) {
  return std::string(observation.substr(observation.rfind('\n') + 1));
}

class Comparison {
 public:
  explicit Comparison(const textcraft::RecipeBook* book) : book_(book) {}

  // "" when ours is as good as the recorded one.
  std::string Compare(const json& line, const Response& ours) {
    const int status = line.at("status").get<int>();
    if (status != ours.status)
      return Differ("status", absl::StrCat(status), absl::StrCat(ours.status));
    if (status == 422) return "";
    const auto type = line.at("content_type").get<std::string>();
    if (type != ours.content_type) return Differ("content type", type, ours.content_type);
    const auto recorded = line.at("response_text").get<std::string>();
    if (recorded == ours.body) return "";
    const size_t cut = recorded.rfind("...(");
    if (cut != std::string::npos && absl::EndsWith(recorded, " chars)") &&
        ours.body.compare(0, cut, recorded, 0, cut) == 0) {
      return "";
    }

    // What may differ is put in the recorded words; then all characters must be the same.
    const json expected = json::parse(recorded, nullptr, false);
    const json got = json::parse(ours.body, nullptr, false);
    std::string text = ours.body;
    if (!expected.is_discarded() && !got.is_discarded()) {
      const std::string wrong = Reword(expected, got, &text);
      if (!wrong.empty()) return wrong;
    }
    return recorded == text ? "" : Differ("answer", recorded, ours.body);
  }

 private:
  static std::string Differ(std::string_view what, std::string_view expected,
                            std::string_view got) {
    return absl::StrCat(what, ": expected ", expected, ", got ", got);
  }

  std::string Reword(const json& expected, const json& got, std::string* text) const {
    if (expected.is_object() && got.is_object()) {
      for (const auto& [name, value] : expected.items()) {
        if (!got.contains(name)) continue;
        const std::string wrong = Reword(value, got[name], text);
        if (!wrong.empty()) return wrong;
      }
    }
    if (!expected.is_string() || !got.is_string()) return "";
    const auto theirs = expected.get<std::string>(), ours = got.get<std::string>();
    constexpr std::string_view kListing = "Crafting commands:\n";
    if (absl::StartsWith(theirs, kListing) && absl::StartsWith(ours, kListing) &&
        GoalOf(theirs) == GoalOf(ours)) {
      const std::string wrong = WrongInListing(*book_, theirs), bad = WrongInListing(*book_, ours);
      if (!wrong.empty()) return absl::StrCat("the recorded listing: ", wrong);
      if (!bad.empty()) return absl::StrCat("our listing: ", bad);
      *text = absl::StrReplaceAll(*text, {{got.dump(), expected.dump()}});
    }
    return "";
  }

  const textcraft::RecipeBook* book_;
};

// Plays a recording of WebShop's server: fills in what was drawn by chance.
class WebShopRecording {
 public:
  WebShopRecording(std::shared_ptr<const webshop::Shop> shop, absl::Span<const std::string> lines)
      : shop_(std::move(shop)) {
    for (const std::string& line : lines) lines_.push_back(json::parse(line, nullptr, false));
  }

  std::unique_ptr<AgentGymServer> NewServer() {
    return NewWebShopServer(shop_, {[this] { return env_idx_; }, [this] { return GoalAhead(); }});
  }

  // Goes to a line and writes the environment's number where the recording has "ENV".
  std::string Begin(size_t number, const std::string& text) {
    number_ = number;
    const json& line = lines_[number];
    if (Is(line, "/create")) {
      const json answer = json::parse(Answer(line), nullptr, false);
      env_idx_ = answer.is_number_integer() ? answer.get<int64_t>() : env_idx_ + 1;
    }
    const std::string env_idx = absl::StrCat(env_idx_);
    return absl::StrReplaceAll(
        text, {{"\"ENV\"", env_idx}, {"=ENV\"", absl::StrCat("=", env_idx, "\"")}});
  }

  // Whether a difference is one of chance.
  bool IsChance(const Response& ours) const {
    const json& line = lines_[number_];
    const std::string theirs =
        absl::StrReplaceAll(Answer(line), {{"ENV", absl::StrCat(env_idx_)}});
    if (ours.status != 200) return false;
    if (Is(line, "/list_envs")) {
      return theirs == ours.body || absl::EndsWith(theirs, "," + ours.body.substr(1));
    }
    const json& body = line.contains("body") ? line["body"] : json();
    if (IsKindOfPurchase(json::parse(theirs, nullptr, false), json::parse(ours.body, nullptr, false))) {
      return true;
    }
    const std::string action = body.is_object() ? body.value("action", "") : "";
    if (!absl::StartsWith(action, "search[<r>")) return false;
    const auto parts = [](const std::string& text) {
      return std::vector<std::string>(absl::StrSplit(text, " [SEP] ")).size();
    };
    return parts(theirs) == parts(ours.body);
  }

 private:
  // Whether two purchases differ in nothing but their kind, which the original's tagger decides: it makes
  // the reward 0, 0.1, 0.5 or 1 times what the rest is worth.
  static bool IsKindOfPurchase(const json& theirs, const json& ours) {
    const auto bought = [](const json& answer) {
      return answer.is_object() && answer.value("done", json()) == true &&
             answer.value("reward", json()).is_number();
    };
    if (!bought(theirs) || !bought(ours)) return false;
    const double a = theirs["reward"].get<double>(), b = ours["reward"].get<double>();
    for (const double factor : {0.0, 0.1, 0.2, 0.5}) {
      if (std::abs(a - factor * b) < 1e-9 || std::abs(b - factor * a) < 1e-9) return true;
    }
    return false;
  }
  static bool Is(const json& line, std::string_view path) {
    return line.is_object() && line.contains("path") && line["path"].is_string() &&
           line["path"].get_ref<const std::string&>() == path;
  }

  static std::string Answer(const json& line) {
    if (!line.is_object() || !line.contains("response_text")) return "";
    const json& answer = line["response_text"];
    return answer.is_string() ? answer.get<std::string>() : "";
  }

  // The goal of the session that begins now: the one that the next answers show.
  size_t GoalAhead() {
    if (numbers_.empty()) {
      for (size_t i = 0; i < shop_->goals.size(); ++i) {
        numbers_.emplace(shop_->goal(i).instruction_text, i);
      }
    }
    for (size_t i = number_; i < lines_.size(); ++i) {
      if (i > number_ && (Is(lines_[i], "/create") || Is(lines_[i], "/reset"))) break;
      json answer = json::parse(Answer(lines_[i]), nullptr, false);
      if (answer.is_array() && !answer.empty()) answer = json(answer[0]);
      if (answer.is_object() && answer.contains("state")) answer = json(answer["state"]);
      if (!answer.is_string()) continue;
      const auto text = answer.get<std::string>();
      const std::vector<std::string> parts = absl::StrSplit(text, " [SEP] ");
      for (size_t part = 0; part + 1 < parts.size(); ++part) {
        const auto found = numbers_.find(parts[part + 1]);
        if (parts[part] == "Instruction:" && found != numbers_.end()) return found->second;
      }
    }
    return 0;
  }

  const std::shared_ptr<const webshop::Shop> shop_;
  std::vector<json> lines_;
  size_t number_ = 0;
  int64_t env_idx_ = 0;
  std::map<std::string, size_t> numbers_;  // of goals, by their texts
};

std::string ReplayLine(const std::string& text, AgentGymServer& server, Comparison& comparison,
                       const WebShopRecording* webshop) {
  const json line = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (line.is_discarded()) return "not JSON";
  try {
    std::string body;
    if (line.contains("raw_body") && line["raw_body"].is_string()) {
      body = line["raw_body"].get<std::string>();
    } else if (line.contains("body") && !line["body"].is_null()) {
      body = std::string(StripSpace(MemberText(text, "body")));
    }
    const auto method = line.at("method").get<std::string>();
    const auto path = line.at("path").get<std::string>();
    const Response ours = server.Handle(method, path, body);
    std::string difference = comparison.Compare(line, ours);
    if (webshop != nullptr && webshop->IsChance(ours)) difference = "";
    return difference.empty() ? "" : absl::StrCat(method, " ", path, " ", body, ": ", difference);
  } catch (const json::exception& error) {
    return absl::StrCat("not a recorded request with its answer: ", error.what());
  }
}

}  // namespace

std::string_view ServerOf(const json& line) {
  const json& answer = line.contains("response_text") ? line["response_text"] : json();
  const json& path = line.contains("path") ? line["path"] : json();
  if (!answer.is_string() || !path.is_string()) return "";
  const auto& text = answer.get_ref<const std::string&>();
  const auto& where = path.get_ref<const std::string&>();
  const auto says = [&](std::string_view part) { return absl::StrContains(text, part); };
  if (says("environment BabyAI") || says("Your goal: ") || absl::StartsWith(where, "/render")) {
    return "babyai";
  }
  if (says("WebShop [SEP]") || where == "/list_envs" ||
      absl::StartsWith(where, "/available_actions?env_idx") ||
      absl::StartsWith(where, "/instruction_text")) {
    return "webshop";
  }
  if (says("environment TextCraft") || says("Crafting commands:") ||
      absl::StartsWith(where, "/detail") || absl::StartsWith(where, "/commands")) {
    return "textcraft";
  }
  return "";
}

absl::StatusOr<std::vector<HttpDifference>> ReplayHttp(
    std::string_view environment, absl::Span<const std::string> lines,
    const std::shared_ptr<const webshop::Shop>& shop) {
  const auto book = textcraft::RecipeBook::Minecraft();
  if (!book.ok()) return book.status();
  std::optional<WebShopRecording> webshop;
  std::unique_ptr<AgentGymServer> server;
  if (environment == "babyai") {
    server = NewBabyAIServer();
  } else if (environment == "textcraft") {
    auto made = NewTextCraftServer();
    if (!made.ok()) return made.status();
    server = *std::move(made);
  } else if (environment == "webshop") {
    if (shop == nullptr || shop->goals.empty()) {
      return absl::InvalidArgumentError("a recording of WebShop needs the shop it was made with");
    }
    webshop.emplace(shop, lines);
    server = webshop->NewServer();
  } else {
    return absl::NotFoundError(absl::StrCat("no HTTP server of \"", std::string(environment),
                                            "\"; known: babyai, textcraft, webshop"));
  }
  Comparison comparison(book->get());
  std::vector<HttpDifference> differences;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string text = webshop ? webshop->Begin(i, lines[i]) : lines[i];
    std::string difference = ReplayLine(text, *server, comparison, webshop ? &*webshop : nullptr);
    if (!difference.empty()) differences.push_back({static_cast<int>(i), std::move(difference)});
  }
  return differences;
}

}  // namespace sojourn::envs::serve
