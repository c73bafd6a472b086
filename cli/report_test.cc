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
