#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/report_html.h"
#include "cli/tables.h"

namespace sojourn::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

nlohmann::json Report() {
  return nlohmann::json::parse(R"({"arms": [{
    "name": "sequential", "trained": ["babyai", "textcraft"], "final_weights_sha256": "ab12",
    "measures": {"ACC": 0.5, "BWT": -0.021, "FWT": null, "forgetting": 0.021},
    "matrix": [
      {"row": "before", "cells": [{"environment": "babyai", "difficulty": 5, "variant": "", "success": 0.25,
        "ci95": [0.2, 0.31], "greedy_success": 0.3, "episodes": 200, "turns": 2.9, "tokens": 51}]},
      {"row": "after 1: babyai", "cells": [{"environment": "babyai", "difficulty": 5, "variant": "", "success": 0.5,
        "ci95": [0.44, 0.56], "greedy_success": 0.6, "episodes": 200, "turns": 2.1, "tokens": 40,
        "samples": [{"index": 3, "greedy": true, "success": true,
                     "turns": [{"observation": "</script><b>go", "response": "Action: move", "reward": 1}]}]}]}]}]})");
}

TEST(ReportTables, ShowsTheMatrixAndTheArmsSideBySide) {
  const std::string text = ReportTables(Report(), /*colour=*/false);
  for (const char* part : {"Arm sequential, trained on babyai, then textcraft", "babyai/5", "25% [20, 31] greedy 30%",
                           "50% [44, 56] greedy 60%", "2.1, 40", "-2.1", "before training"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("\033")));
}

TEST(ReportTables, TellsWhichEpisodesFailedForGood) {
  nlohmann::json report = Report();
  EXPECT_THAT(ReportTables(report, false), Not(HasSubstr("failed")));
  nlohmann::json& arm = report["arms"][0];
  nlohmann::json& cell = arm["matrix"][1]["cells"][0];
  cell["failed_episodes"] = 7;
  cell["error"] = "UNAVAILABLE: connection refused";
  EXPECT_THAT(EvalTables(arm["matrix"], false),
              HasSubstr("after 1: babyai, babyai/5: 7 of 200 episodes: UNAVAILABLE: connection refused\n"));
  for (int failed : {2, 3}) {
    arm["updates"].push_back({{"environments", {{{"environment", "babyai"}, {"difficulty", 5}, {"episodes", 8},
                                                 {"failed_episodes", failed}}}}});
  }
  const std::string text = ReportTables(report, false);
  EXPECT_THAT(text, HasSubstr("7 of 200 episodes: UNAVAILABLE: connection refused\n"));
  EXPECT_THAT(text, HasSubstr("training, babyai/5: 5 of 16 episodes; nothing was learned"));
  arm["matrix"] = nlohmann::json::array();
  EXPECT_THAT(ReportTables(report, false), HasSubstr("5 of 16 episodes"));
}

TEST(EvalTables, ShowsSuccessAndBehaviourWithChanceUnderneath) {
  const nlohmann::json rows = nlohmann::json::parse(R"([
    {"row": "random", "cells": [{"environment": "babyai", "difficulty": 5, "variant": "", "split": "train",
      "success": 0.1, "ci95": [0.05, 0.15], "tasks": 50, "episodes": 100, "progress": 0.1, "turns": 3}]},
    {"row": "before", "cells": [{"environment": "babyai", "difficulty": 5, "variant": "", "split": "train",
      "success": 0.5, "ci95": [0.44, 0.56], "tasks": 50, "episodes": 100, "greedy_success": 0.6, "progress": 0.625,
      "pass_at_k": [{"k": 2, "success": 0.75, "ci95": [0.7, 0.8]}], "turns": 2.5, "tokens": 40,
      "response_tokens": 16, "invalid_actions": 0.125, "repeated_failures": 0, "truncated": 0.25}]}])");
  const std::string text = EvalTables(rows, /*colour=*/false);
  for (const char* part : {"avg@2", "pass@2", "babyai/5 (train)  ", "44.0% to 56.0%", "75.0%", "62.5%", "16.0", "12.5%",
                           "babyai/5 (train), random actions"}) {
    EXPECT_THAT(text, HasSubstr(part)) << text;
  }
  EXPECT_LT(text.find("50.0%"), text.find("10.0%"));
}

TEST(ReportTables, SaysSoWhenNothingIsMeasured) {
  EXPECT_THAT(ReportTables({{"arms", nlohmann::json::array()}}, false), HasSubstr("Nothing has been measured"));
}

TEST(ReportHtml, HoldsTheReportAndLetsNoTextOutOfIt) {
  const std::string page = ReportHtml(Report());
  EXPECT_THAT(page, HasSubstr("ab12"));
  EXPECT_THAT(page, Not(HasSubstr("</script><b>")));
  EXPECT_THAT(page, Not(HasSubstr("REPORT_JSON")));
  EXPECT_THAT(page, Not(HasSubstr("src=")));   // nothing is loaded from elsewhere
  const size_t begin = page.find("id=\"report\">") + 12;
  EXPECT_EQ(nlohmann::json::parse(page.substr(begin, page.find("</script>", begin) - begin)), Report());
}

}  // namespace
}  // namespace sojourn::cli
