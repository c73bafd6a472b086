#include "envs/webshop/episode_replay.h"

#include <cmath>
#include <filesystem>
#include <string_view>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "envs/webshop/data_files.h"
#include "envs/webshop/python_strings.h"
#include "envs/webshop/session.h"

namespace sojourn::envs::webshop {
namespace {

using nlohmann::json;

constexpr int kFoldersAbove = 3;
constexpr double kScoreTolerance = 1.0001e-4;
constexpr double kWeightTolerance = 1e-12;

class Comparison {
 public:
  void Expect(std::string_view what, const json& recorded, const json& ours) {
    if (recorded == ours) return;
    const auto dump = [](const json& value) {
      return value.dump(-1, ' ', false, json::error_handler_t::replace);
    };
    differences_.push_back(
        absl::StrCat(std::string(what), ": recorded ", dump(recorded), ", ours ", dump(ours)));
  }
  std::vector<std::string> Take() { return std::move(differences_); }

 private:
  std::vector<std::string> differences_;
};

json OptionsJson(const Goal& goal) {
  if (!goal.options_are_named) {
    json list = json::array();
    for (const auto& [name, value] : goal.options) list.push_back(value);
    return list;
  }
  json object = json::object();
  for (const auto& [name, value] : goal.options) object[name] = value;
  return object;
}

void CompareGoal(const Shop& shop, size_t number, const json& recorded, Comparison& compare) {
  const Goal goal = shop.goal(number);
  const Product& product = shop.catalogue->products()[goal.product];
  const json ours = {{"asin", product.asin},
                     {"category", product.category},
                     {"query", product.query},
                     {"name", product.title},
                     {"product_category", product.product_category},
                     {"instruction_text", goal.instruction_text},
                     {"attributes", goal.attributes},
                     {"price_upper", goal.price_upper},
                     {"goal_options", OptionsJson(goal)}};
  for (const auto& [name, value] : ours.items()) {
    if (recorded.contains(name)) compare.Expect(absl::StrCat("goal ", name), recorded[name], value);
  }
  if (!recorded.contains("weight")) return;
  const double weight = GoalWeights(shop.catalogue->products(), shop.goals, shop.kind)[number];
  if (std::abs(recorded["weight"].get<double>() - weight) > kWeightTolerance) {
    compare.Expect("goal weight", recorded["weight"], weight);
  }
}

json ActionsJson(const Session& session) {
  const Session::AvailableActions actions = session.GetAvailableActions();
  return {{"has_search_bar", actions.has_search_bar}, {"clickables", actions.clickables}};
}

// The recorded parts of a score, but for those that depend on the tagger.
void CompareScore(const json& recorded, const Score& score, std::string_view where,
                  Comparison& compare) {
  const double all = score.attributes + score.options + 1;
  const auto share = [](int met, int of) { return static_cast<double>(met) / of; };
  json ours = {{"r_att", share(score.attributes_met, score.attributes)},
               {"w_att", score.attributes / all},
               {"query_match", score.query_match},
               {"category_match", score.category_match},
               {"r_price", score.price_met},
               {"w_price", 1 / all}};
  if (score.options > 0) {
    ours["r_option"] = share(score.options_met, score.options);
    ours["w_option"] = score.options / all;
  }
  json theirs = recorded;
  theirs.erase("r_type");
  theirs.erase("title_score");
  compare.Expect(absl::StrCat(std::string(where), " reward_info"), theirs, ours);
}

void CompareSteps(Session& session, const json& steps, Comparison& compare) {
  for (size_t i = 0; i < steps.size(); ++i) {
    const json& recorded = steps[i];
    const auto action = recorded.at("action").get<std::string>();
    const std::string where = absl::StrCat("step ", i + 1, " \"", action, "\"");
    const absl::StatusOr<Session::Reply> reply = session.Step(action);
    if (!reply.ok()) {
      if (!recorded.contains("error") && !recorded.contains("response")) {
        compare.Expect(where, recorded, std::string(reply.status().message()));
      }
      continue;
    }
    if (!recorded.contains("state")) {
      compare.Expect(where, recorded, session.Observation());
      continue;
    }
    double reward = reply->reward;
    std::string state = session.Observation();
    if (recorded.contains("reward_info") && session.score()) {
      const json& info = recorded["reward_info"];
      CompareScore(info, *session.score(), where, compare);
      if (info.contains("r_type")) {
        reward = RewardOf(*session.score(), info["r_type"].get<double>());
        const std::string label = "Your score (min 0.0, max 1.0) [SEP] ";
        state = absl::StrReplaceAll(
            state, {{label + FloatRepr(reply->reward), label + FloatRepr(reward)}});
      }
    }
    const auto theirs = recorded.at("state").get<std::string>();
    if (session.page().kind == PageKind::kResults && absl::StartsWith(session.keywords(), "<r>") &&
        theirs != state) {
      const std::vector<std::string> parts = absl::StrSplit(theirs, " [SEP] ");
      const std::vector<std::string> own = absl::StrSplit(state, " [SEP] ");
      compare.Expect(where + " parts", parts.size(), own.size());
      std::vector<int32_t> products;
      for (const std::string& part : parts) {
        const int32_t product = session.catalogue().FindAsin(part);
        if (product >= 0) products.push_back(product);
      }
      session.ReplaceResults(std::move(products));
      continue;
    }
    compare.Expect(where, theirs, state);
    compare.Expect(where + " reward", recorded.at("reward"), reward);
    compare.Expect(where + " done", recorded.at("done"), reply->done);
    if (recorded.contains("available_actions")) {
      compare.Expect(where + " available actions", recorded["available_actions"],
                     ActionsJson(session));
    }
  }
}

void CompareSession(const Shop& shop, size_t number, const json& line, Comparison& compare) {
  if (line.contains("goal")) CompareGoal(shop, number, line["goal"], compare);
  Session session(shop.catalogue, RandomKey(0).With("replay").With(number));
  session.Begin(shop.goal(number));
  const std::string observation = session.Observation();
  if (line.contains("reset")) compare.Expect("reset", line["reset"], {observation, nullptr});
  if (line.contains("observation")) {
    compare.Expect("observation", line["observation"], observation);
  }
  if (line.contains("instruction_text")) {
    compare.Expect("instruction", line["instruction_text"], *session.InstructionText());
  }
  if (line.contains("reset_available_actions")) {
    compare.Expect("available actions", line["reset_available_actions"], ActionsJson(session));
  }
  CompareSteps(session, line.at("steps"), compare);
}

void CompareSearch(const Shop& shop, const json& line, Comparison& compare) {
  const auto query = line.at("query").get<std::string>();
  json asins = json::array(), ours = json::array();
  for (const json& hit : line.at("hits")) asins.push_back(hit.at(0));
  const auto hits = shop.catalogue->index().Search(query, kMostHits);
  for (const auto& hit : hits) ours.push_back(shop.catalogue->products()[hit.text].asin);
  compare.Expect(absl::StrCat("\"", query, "\""), asins, ours);
  for (size_t i = 0; i < std::min(hits.size(), asins.size()); ++i) {
    const double recorded = line["hits"][i].at(1).get<double>();
    if (std::abs(recorded - hits[i].score) > kScoreTolerance) {
      compare.Expect(absl::StrCat("\"", query, "\" score ", i + 1), recorded, hits[i].score);
    }
  }
}

void ComparePrices(const Shop& shop, const json& line, Comparison& compare) {
  for (const auto& [asin, price] : line.items()) {
    const int32_t product = shop.catalogue->FindAsin(asin);
    compare.Expect(absl::StrCat("price of ", asin), price,
                   product < 0 ? json() : json(shop.catalogue->products()[product].price));
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Shop>> ShopOfRecording(const std::string& path) {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::absolute(path, error).parent_path();
  for (int i = 0; i <= kFoldersAbove && !folder.empty(); ++i) {
    const std::filesystem::path candidate = folder / "webshop";
    if (!FindDataFiles(candidate.string()).products.empty()) {
      return Shop::Load(candidate.string(), GoalKind::kSynthetic);
    }
    folder = folder.parent_path();
  }
  return absl::NotFoundError(absl::StrCat(
      path, ": no folder \"webshop\" with products beside it or up to ", kFoldersAbove,
      " folders above; put the data that it was recorded with there"));
}

absl::StatusOr<std::vector<std::string>> ReplayLine(const Shop& shop, const json& line) {
  Comparison compare;
  try {
    if (!line.is_object()) return absl::InvalidArgumentError("not a recording of WebShop");
    if (line.contains("session_id")) {
      const auto number = line["session_id"].get<int64_t>();
      if (number < 0 || number >= static_cast<int64_t>(shop.goals.size())) {
        return std::vector<std::string>{
            absl::StrCat("session ", number, ": there are ", shop.goals.size(), " goals")};
      }
      if (line.contains("steps")) {
        CompareSession(shop, number, line, compare);
      } else {
        CompareGoal(shop, number, line, compare);
      }
    } else if (line.contains("hits")) {
      CompareSearch(shop, line, compare);
    } else {
      ComparePrices(shop, line, compare);
    }
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not a recording of WebShop: ", error.what()));
  }
  return compare.Take();
}

}  // namespace sojourn::envs::webshop
