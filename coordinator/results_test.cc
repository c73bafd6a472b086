#include "coordinator/results.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "coordinator/test_job.h"

namespace sojourn::coordinator {
namespace {

// A row with one cell per environment, in TestConfig's order; success as given, over ten tasks of
// ten.
void AddRow(v1::ArmResults& arm, const std::string& name, std::vector<int> successes_of_ten) {
  v1::MatrixRow& row = *arm.add_rows();
  row.set_row(name);
  for (size_t i = 0; i < successes_of_ten.size(); ++i) {
    v1::MatrixCell& cell = *row.add_cells();
    cell.mutable_cell()->set_environment(i < 2 ? "babyai" : "textcraft");
    cell.mutable_cell()->set_difficulty(i == 1 ? 2 : 1);
    for (int task = 0; task < 10; ++task) {
      v1::TaskOutcome& outcome = *cell.add_tasks();
      outcome.set_index(task);
      outcome.set_episodes(10);
      outcome.set_successes(successes_of_ten[i]);
      outcome.set_turns(40);
      outcome.set_tokens(200);
      outcome.set_invalid_actions(4);
      outcome.set_repeated_failures(2);
      outcome.set_progress(successes_of_ten[i] + 0.5);
      outcome.set_truncated(1);
      outcome.set_greedy_played(true);
      outcome.set_greedy_success(task < successes_of_ten[i]);
    }
  }
}

v1::Results Sequential() {
  v1::Results results;
  *results.mutable_status()->mutable_config() = TestConfig();
  v1::ArmResults& arm = *results.add_arms();
  arm.set_name("sequential");
  arm.add_trained("babyai");
  arm.add_trained("textcraft");
  // Stage 1 trains babyai 1..2, stage 2 textcraft 1.
  AddRow(arm, "random", {1, 1, 1});
  AddRow(arm, "before", {2, 4, 1});              // R[0] = .3, .1
  AddRow(arm, "after 1: babyai", {8, 8, 3});     // R[1] = .8, .3
  AddRow(arm, "after 2: textcraft", {7, 5, 9});  // R[2] = .6, .9
  return results;
}

TEST(Results, MeasuresMatchTheirFormulas) {
  const v1::Results results = Sequential();
  for (const bool greedy : {false, true}) {
    const Measures measures =
        ComputeMeasures(results.status().config().arms(0), results.arms(0), greedy);
    EXPECT_NEAR(*measures.average_accuracy, (0.6 + 0.9) / 2, 1e-12);
    EXPECT_NEAR(*measures.backward_transfer, 0.6 - 0.8, 1e-12);
    EXPECT_NEAR(*measures.forward_transfer, 0.3 - 0.1, 1e-12);
    EXPECT_NEAR(*measures.forgetting, 0.8 - 0.6, 1e-12);
  }
}

TEST(Results, AnArmOfOneStageHasOnlyAnAccuracy) {
  v1::Results results = Sequential();
  results.mutable_arms(0)->mutable_rows()->RemoveLast();
  const v1::Arm& mixture = results.status().config().arms(1);
  const Measures measures = ComputeMeasures(mixture, results.arms(0), false);
  EXPECT_NEAR(*measures.average_accuracy, (0.8 + 0.3) / 2, 1e-12) << "environments count equally";
  EXPECT_FALSE(measures.backward_transfer.has_value());
  EXPECT_FALSE(measures.forgetting.has_value());
}

TEST(Results, NothingIsMeasuredBeforeTheArmHasEnded) {
  v1::Results results = Sequential();
  results.mutable_arms(0)->mutable_rows()->RemoveLast();
  EXPECT_FALSE(ComputeMeasures(results.status().config().arms(0), results.arms(0), false)
                   .average_accuracy.has_value());
}

TEST(Results, TheReportHasTheMatrixWithIntervalsAndDifferences) {
  const nlohmann::json report = BuildReport(Sequential());
  const nlohmann::json& arm = report.at("arms").at(0);
  EXPECT_EQ(arm.at("name"), "sequential");
  EXPECT_EQ(arm.at("matrix").size(), 4);
  const nlohmann::json& cell = arm.at("matrix").at(2).at("cells").at(0);
  EXPECT_EQ(cell.at("environment"), "babyai");
  EXPECT_NEAR(cell.at("success").get<double>(), 0.8, 1e-12);
  EXPECT_LT(cell.at("ci95").at(0), 0.8);
  EXPECT_GT(cell.at("ci95").at(1), 0.8);
  EXPECT_NEAR(cell.at("delta").get<double>(), 0.6, 1e-12);
  EXPECT_NEAR(cell.at("greedy_delta").get<double>(), 0.6, 1e-12);
  EXPECT_EQ(cell.at("episodes"), 100);
  EXPECT_NEAR(cell.at("turns").get<double>(), 4, 1e-12);
  EXPECT_NEAR(cell.at("tokens").get<double>(), 20, 1e-12);
  EXPECT_NEAR(cell.at("invalid_actions").get<double>(), 0.1, 1e-12);
  EXPECT_NEAR(cell.at("repeated_failures").get<double>(), 0.05, 1e-12);
  EXPECT_NEAR(cell.at("response_tokens").get<double>(), 5, 1e-12);
  EXPECT_NEAR(cell.at("progress").get<double>(), 0.85, 1e-12);
  EXPECT_NEAR(cell.at("truncated").get<double>(), 0.1, 1e-12);
  EXPECT_EQ(cell.at("split"), "test");
  ASSERT_EQ(cell.at("pass_at_k").size(), 4) << "2, 4, 8 and all 10";
  EXPECT_EQ(cell.at("pass_at_k").at(3).at("k"), 10);
  EXPECT_NEAR(cell.at("pass_at_k").at(0).at("success").get<double>(), 1 - 2.0 / 10 * 1 / 9, 1e-12);
  EXPECT_FALSE(arm.at("matrix").at(1).at("cells").at(0).contains("delta")) << "the row before";
  EXPECT_NEAR(arm.at("measures").at("ACC").get<double>(), 0.75, 1e-12);
}

TEST(Results, FailedEpisodesAreToldWithTheFirstError) {
  v1::Results results = Sequential();
  v1::MatrixCell& cell = *results.mutable_arms(0)->mutable_rows(1)->mutable_cells(0);
  for (int task = 1; task < 3; ++task) {
    cell.mutable_tasks(task)->set_failed_episodes(2);
    cell.mutable_tasks(task)->set_error(absl::StrCat("UNAVAILABLE: task ", task));
  }
  v1::EnvironmentSuccess& trained = *results.mutable_arms(0)->add_updates()->add_success();
  trained.set_episodes(8);
  trained.set_failed_episodes(3);
  const nlohmann::json report = BuildReport(results);
  const nlohmann::json& arm = report.at("arms").at(0);
  const nlohmann::json& told = arm.at("matrix").at(1).at("cells").at(0);
  EXPECT_EQ(told.at("failed_episodes"), 4);
  EXPECT_EQ(told.at("error"), "UNAVAILABLE: task 1");
  EXPECT_FALSE(arm.at("matrix").at(2).at("cells").at(0).contains("failed_episodes"));
  EXPECT_EQ(arm.at("updates").back().at("environments").at(0).at("failed_episodes"), 3);
}

TEST(Results, ACellWithoutEpisodesHasNoNumbers) {
  v1::Results results = Sequential();
  results.mutable_arms(0)->mutable_rows(1)->mutable_cells(0)->clear_tasks();
  const nlohmann::json report = BuildReport(results);
  const nlohmann::json& cell = report.at("arms").at(0).at("matrix").at(1).at("cells").at(0);
  EXPECT_TRUE(cell.at("success").is_null());
  EXPECT_FALSE(cell.contains("turns"));
  EXPECT_FALSE(report.at("arms").at(0).at("matrix").at(2).at("cells").at(0).contains("delta"));
}

TEST(Results, AnUpdateIsOneLine) {
  v1::UpdateRecord record;
  record.set_update(3);
  record.mutable_metrics()->set_kl(0.5);
  record.add_success()->set_environment("babyai");
  const nlohmann::json json = UpdateJson(record);
  EXPECT_EQ(json.dump().find('\n'), std::string::npos);
  EXPECT_EQ(json.at("update"), 3);
  EXPECT_EQ(json.at("kl"), 0.5);
  EXPECT_EQ(json.at("environments").at(0).at("environment"), "babyai");
}

}  // namespace
}  // namespace sojourn::coordinator
