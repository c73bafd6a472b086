#include "cli/eval_columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace sojourn::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::JobConfig Config(uint32_t tasks = 10) {
  v1::JobConfig config;
  config.mutable_evaluation()->set_tasks(tasks);
  return config;
}

std::vector<std::string> Cells(const v1::JobConfig& config) {
  std::vector<std::string> cells;
  for (const v1::EvaluationCell& cell : config.evaluation().cells()) {
    cells.push_back(absl::StrCat(cell.environment(), "/", cell.difficulty(), "/", cell.split(), "/", cell.variant()));
  }
  return cells;
}

std::string Fault(const std::string& text, uint32_t tasks = 10) {
  v1::JobConfig config = Config(tasks);
  return std::string(AddColumns(text, {}, &config).message());
}

TEST(EvalColumns, DifficultiesAreNumbersRangesAndAllOfThem) {
  v1::JobConfig config = Config();
  ASSERT_TRUE(AddColumns("babyai:5,1-3,2", {}, &config).ok());
  EXPECT_THAT(Cells(config), ElementsAre("babyai/5/test/", "babyai/1/test/", "babyai/2/test/", "babyai/3/test/"));
  EXPECT_EQ(config.environments_size(), 1);
  EXPECT_EQ(config.evaluation().cells(0).max_turns(), 20) << "the environment's own limit";
  v1::JobConfig all = Config();
  const absl::Status added = AddColumns("textcraft:all", {}, &all);
  ASSERT_TRUE(added.ok()) << added;
  EXPECT_GT(all.evaluation().cells_size(), 2);
}

TEST(EvalColumns, OptionsMakeAnEnvironmentOfTheirOwn) {
  v1::JobConfig config = Config();
  ASSERT_TRUE(AddColumns("textcraft:1,recipes=fresh,2,distractors=1", {}, &config).ok());
  ASSERT_TRUE(AddColumns("textcraft:1", {}, &config).ok());
  EXPECT_THAT(Cells(config), ElementsAre("textcraft,recipes=fresh,distractors=1/1/test/",
                                         "textcraft,recipes=fresh,distractors=1/2/test/", "textcraft/1/test/"));
  EXPECT_EQ(config.environments(0).options().at("recipes"), "fresh");
}

TEST(EvalColumns, EverySplitAndVariantIsAColumn) {
  v1::JobConfig config = Config();
  const ColumnOptions options = {.splits = {"test", "train"}, .variants = {"", "renamed"}, .max_turns = 3};
  ASSERT_TRUE(AddColumns("babyai:5", options, &config).ok());
  ASSERT_TRUE(AddColumns("babyai:5", options, &config).ok()) << "twice is once";
  EXPECT_THAT(Cells(config), ElementsAre("babyai/5/test/", "babyai/5/test/renamed", "babyai/5/train/",
                                         "babyai/5/train/renamed"));
}

TEST(EvalColumns, FaultsQuoteTheArgumentAndSuggest) {
  EXPECT_THAT(Fault("babyay:5"), AllOf(HasSubstr("--env babyay:5: "), HasSubstr("did you mean \"babyai\"?")));
  EXPECT_THAT(Fault("babyai"), HasSubstr("no difficulty; expected TYPE:DIFFICULTIES"));
  EXPECT_THAT(Fault("babyai:99"), HasSubstr("no difficulty 99; babyai has difficulties 1, 2"));
  EXPECT_THAT(Fault("babyai:90-99"), HasSubstr("no difficulty from 90 to 99"));
  EXPECT_THAT(Fault("babyai:5,easy"), HasSubstr("\"easy\" is neither a difficulty nor OPTION=VALUE"));
  EXPECT_THAT(Fault("textcraft:1,recipe=fresh"), HasSubstr("did you mean \"recipes\"?"));
  EXPECT_THAT(Fault("textcraft:1", 4000000000), HasSubstr("; give --tasks "));
  EXPECT_THAT(Fault(""), HasSubstr("unknown environment"));
}

}  // namespace
}  // namespace sojourn::cli
