#include "config/job_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace sojourn::config {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kGood[] = R"(
name: tiny
policy: {model: model, max_context_tokens: 512}
rollout: {group_size: 4, groups_per_update: 8, max_turn_tokens: 32}
algorithm: {name: grpo, learning_rate: 1e-3}
environments:
  - type: babyai
  - {name: craft, type: textcraft, options: {recipes: fresh, distractors: "1"}}
arms:
  - name: sequential
    stages:
      - mixture: [{environment: babyai, min_difficulty: 5, max_turns: 3}]
        advance: {updates: 10}
      - mixture: [{environment: craft, min_difficulty: 1, max_turns: 5}]
        advance: {updates: 10, success_threshold: 0.9}
evaluation:
  tasks: 5
  cells: [{environment: babyai, difficulty: 5, max_turns: 3}]
)";

class JobConfigTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "model");
    std::ofstream(folder_ / "model" / "config.json") << R"({"max_position_embeddings": 512})";
    std::ofstream(folder_ / "model" / "model.safetensors") << "";
    std::ofstream(folder_ / "model" / "tokenizer.json") << "";
  }
  absl::StatusOr<v1::JobConfig> Parse(const std::string& yaml) { return ParseJobConfig(yaml, path_); }
  // The fault that a change of the good configuration gives.
  std::string Fault(const std::string& from, const std::string& to) {
    const std::string yaml = absl::StrReplaceAll(kGood, {{from, to}});
    EXPECT_NE(yaml, kGood) << "nothing was changed";
    const auto config = Parse(yaml);
    EXPECT_FALSE(config.ok()) << to;
    return std::string(config.status().message());
  }
  const std::filesystem::path folder_ = std::filesystem::path(::testing::TempDir()) / "job_config_test";
  const std::string path_ = (folder_ / "job.yaml").string();
};

TEST_F(JobConfigTest, FillsInDefaultsNamesAndPaths) {
  const auto config = Parse(kGood);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->environments(0).name(), "babyai");
  EXPECT_EQ(config->environments(1).type(), "textcraft");
  EXPECT_EQ(config->arms(0).stages(0).mixture(0).max_difficulty(), 5);
  EXPECT_EQ(config->arms(0).stages(0).mixture(0).weight(), 1);
  EXPECT_EQ(config->arms(0).stages(1).advance().success_patience(), 1);
  EXPECT_EQ(config->policy().model(), (folder_ / "model").string());
  EXPECT_EQ(config->rollout().temperature(), 1);
  EXPECT_EQ(config->algorithm().clip_low(), 0.2);
}

TEST_F(JobConfigTest, PrintsWhatItReadsBackToTheSame) {
  const auto config = Parse(kGood);
  ASSERT_TRUE(config.ok()) << config.status();
  const auto again = Parse(JobConfigYaml(*config));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(JobConfigYaml(*again), JobConfigYaml(*config));
  EXPECT_EQ(again->environments(1).options().at("distractors"), "1");
}

TEST_F(JobConfigTest, SeedsMultiplyTheArms) {
  const auto config = Parse(absl::StrCat(kGood, "seeds: [1, 2, 3]\n"));
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->arms_size(), 3);
  EXPECT_EQ(config->arms(2).name(), "sequential-seed3");
  EXPECT_EQ(config->arms(2).seed(), 3);
}

TEST_F(JobConfigTest, UnknownKeysAreNamedWithASuggestionAndALine) {
  EXPECT_THAT(Fault("group_size", "group_sise"),
              AllOf(HasSubstr("rollout.group_sise: unknown key"), HasSubstr("did you mean \"group_size\"?"), HasSubstr("(line 4)")));
}

TEST_F(JobConfigTest, WrongTypesAreNamed) {
  EXPECT_THAT(Fault("group_size: 4", "group_size: four"), HasSubstr("rollout.group_size: expected a whole number"));
  EXPECT_THAT(Fault("group_size: 4", "group_size: -4"), HasSubstr("rollout.group_size: expected a whole number of at least 0"));
  EXPECT_THAT(Fault("group_size: 4", "group_size: 4.5"), HasSubstr("rollout.group_size"));
  EXPECT_THAT(Fault("learning_rate: 1e-3", "learning_rate: fast"), HasSubstr("algorithm.learning_rate: expected a number"));
  EXPECT_THAT(Fault("learning_rate: 1e-3", "learning_rate: .nan"), HasSubstr("algorithm.learning_rate: expected a number"));
  EXPECT_THAT(Fault("tasks: 5", "tasks: [5]"), HasSubstr("evaluation.tasks: expected a value, found a list"));
  EXPECT_THAT(Fault("  tasks: 5", "  tasks: 5\n  greedy: yes"), HasSubstr("evaluation.greedy: expected true or false"));
  EXPECT_THAT(Fault("advance: {updates: 10}", "advance: 10"), HasSubstr("arms[0].stages[0].advance: expected a mapping"));
}

TEST_F(JobConfigTest, EveryFaultIsReportedAtOnce) {
  EXPECT_THAT(Fault("group_size: 4, groups_per_update: 8", "group_size: 1, groups_per_update: 0"),
              AllOf(HasSubstr("rollout.group_size"), HasSubstr("rollout.groups_per_update")));
}

TEST_F(JobConfigTest, WhatCouldOnlyDeadlockIsRefused) {
  EXPECT_THAT(Fault("name: tiny", "name: tiny\nresources: {learner_ranks: 3}"), HasSubstr("shared equally"));
  EXPECT_THAT(Fault("name: tiny", "name: tiny\nresources: {actors: 0}"), HasSubstr("resources.actors"));
  EXPECT_THAT(Fault("advance: {updates: 10}", "advance: {success_threshold: 0.5}"), HasSubstr("might never end"));
  EXPECT_THAT(Fault("learning_rate: 1e-3", "microbatch_tokens: 100"), HasSubstr("algorithm.microbatch_tokens"));
  EXPECT_THAT(Fault("max_turn_tokens: 32", "max_turn_tokens: 512"), HasSubstr("rollout.max_turn_tokens"));
}

TEST_F(JobConfigTest, UnknownNamesComeWithTheKnownOnes) {
  EXPECT_THAT(Fault("{environment: craft,", "{environment: kraft,"), HasSubstr("did you mean \"craft\"?"));
  EXPECT_THAT(Fault("type: babyai", "type: babyay"), HasSubstr("did you mean \"babyai\"?"));
  EXPECT_THAT(Fault("name: grpo", "name: grp"), HasSubstr("known: grpo, rloo, reinforce++"));
  EXPECT_THAT(Fault("cells: [{environment: babyai, difficulty: 5", "cells: [{environment: babyai, difficulty: 77"), HasSubstr("77"));
}

TEST_F(JobConfigTest, TheModelMustBeThereAndFit) {
  EXPECT_THAT(Fault("model: model", "model: nothing"), HasSubstr("does not exist"));
  EXPECT_THAT(Fault("max_context_tokens: 512", "max_context_tokens: 600"), HasSubstr("max_position_embeddings"));
}

TEST_F(JobConfigTest, AGgufFileIsAModel) {
  std::ofstream(folder_ / "broken.gguf") << "GGUF";
  EXPECT_THAT(Fault("model: model", "model: broken.gguf"), HasSubstr("policy.model: " + (folder_ / "broken.gguf").string()));
  EXPECT_THAT(Fault("model: model", "model: none.gguf"), HasSubstr("none.gguf"));
}

TEST_F(JobConfigTest, AnEndpointIsMeasuredAndNotTrained) {
  const std::string endpoint = "endpoint: {url: \"http://h:1\", model: m, tokenizer: model}, ";
  EXPECT_THAT(Fault("model: model, ", endpoint), HasSubstr("cannot be trained, but arm \"sequential\" has stages"));
  EXPECT_THAT(Fault("model: model, ", "model: model, " + endpoint), HasSubstr("leave one of them out"));
  EXPECT_THAT(Fault("model: model, ", "endpoint: {url: \"h:1\", tokenizer: none}, "),
              AllOf(HasSubstr("policy.endpoint.url"), HasSubstr("policy.endpoint.model: missing"),
                    HasSubstr("policy.endpoint.tokenizer")));
  auto config = Parse(kGood);
  ASSERT_TRUE(config.ok()) << config.status();
  config->mutable_policy()->clear_model();
  config->mutable_policy()->mutable_endpoint()->set_url("http://h:1");
  config->mutable_policy()->mutable_endpoint()->set_model("m");
  config->clear_arms();
  config->add_arms()->set_name("model");
  const auto measures = ResolveJobConfig(*config, path_);
  ASSERT_TRUE(measures.ok()) << measures.status();
  EXPECT_EQ(measures->resources().learner_ranks(), 0);
  EXPECT_EQ(measures->policy().endpoint().timeout_seconds(), 300);
}

TEST_F(JobConfigTest, ASplitIsTrainOrTest) {
  EXPECT_THAT(Fault("cells: [{environment: babyai,", "cells: [{split: dev, environment: babyai,"),
              AllOf(HasSubstr("evaluation.cells[0].split"), HasSubstr("dev")));
}

TEST_F(JobConfigTest, AVariantOfAColumnMustBePossible) {
  const std::string cell = "cells: [{environment: babyai,";
  EXPECT_THAT(Fault(cell, "cells: [{variant: verb, environment: babyai,"),
              AllOf(HasSubstr("evaluation.cells[0].variant: unknown variant"), HasSubstr("did you mean \"verbs\"?")));
  EXPECT_THAT(Fault(cell, "cells: [{variant: \"json:x\", environment: craft, difficulty: 1}, {environment: babyai,"),
              AllOf(HasSubstr("evaluation.cells[0].variant"), HasSubstr("takes no argument")));
  std::string good(kGood);
  good.replace(good.find(cell), cell.size(), "cells: [{variant: verbs+json, environment: babyai, difficulty: 5}, {environment: babyai,");
  EXPECT_TRUE(Parse(good).ok()) << Parse(good).status();
}

TEST_F(JobConfigTest, BrokenYamlAndMissingFilesAreErrors) {
  EXPECT_THAT(std::string(Parse("a: [1").status().message()), HasSubstr("not YAML"));
  EXPECT_THAT(std::string(Parse("- 1").status().message()), HasSubstr("expected a mapping"));
  EXPECT_FALSE(Parse("").ok());
  EXPECT_TRUE(absl::IsNotFound(LoadJobConfig((folder_ / "none.yaml").string()).status()));
  EXPECT_THAT(std::string(LoadJobConfig(folder_.string()).status().message()), HasSubstr("is a directory"));
}

}  // namespace
}  // namespace sojourn::config
