// A small job for tests: two environments, two arms (sequential and mixture), three cells.
#ifndef SOJOURN_COORDINATOR_TEST_JOB_H_
#define SOJOURN_COORDINATOR_TEST_JOB_H_

#include "coordinator/curriculum.h"

namespace sojourn::coordinator {

inline void AddMixture(v1::Stage& stage, const std::string& environment, int max_difficulty) {
  v1::MixtureEntry& entry = *stage.add_mixture();
  entry.set_environment(environment);
  entry.set_weight(1);
  entry.set_min_difficulty(1);
  entry.set_max_difficulty(max_difficulty);
  entry.set_max_turns(5);
}

inline void AddCell(v1::Evaluation& evaluation, const std::string& environment, int difficulty) {
  v1::EvaluationCell& cell = *evaluation.add_cells();
  cell.set_environment(environment);
  cell.set_difficulty(difficulty);
  cell.set_max_turns(6);
}

inline v1::JobConfig TestConfig() {
  v1::JobConfig config;
  config.set_name("test");
  config.set_seed(7);
  config.mutable_policy()->set_model("/model");
  config.mutable_rollout()->set_group_size(2);
  config.mutable_rollout()->set_groups_per_update(4);
  config.mutable_rollout()->set_max_staleness(1);
  config.mutable_resources()->set_learner_ranks(2);
  for (const char* name : {"babyai", "textcraft"}) {
    config.add_environments()->set_name(name);
    config.mutable_environments(config.environments_size() - 1)->set_type(name);
  }
  v1::Arm& sequential = *config.add_arms();
  sequential.set_name("sequential");
  AddMixture(*sequential.add_stages(), "babyai", 2);
  sequential.mutable_stages(0)->mutable_advance()->set_updates(4);
  AddMixture(*sequential.add_stages(), "textcraft", 1);
  sequential.mutable_stages(1)->mutable_advance()->set_updates(3);
  v1::Arm& mixture = *config.add_arms();
  mixture.set_name("mixture");
  AddMixture(*mixture.add_stages(), "babyai", 2);
  AddMixture(*mixture.mutable_stages(0), "textcraft", 1);
  mixture.mutable_stages(0)->mutable_advance()->set_updates(2);
  v1::Evaluation& evaluation = *config.mutable_evaluation();
  AddCell(evaluation, "babyai", 1);
  AddCell(evaluation, "babyai", 2);
  AddCell(evaluation, "textcraft", 1);
  evaluation.set_tasks(3);
  evaluation.set_episodes_per_task(2);
  evaluation.set_greedy(true);
  evaluation.set_random_row(true);
  evaluation.set_sample_trajectories(1);
  return config;
}

inline TaskCounts TestCounts() {
  TaskCounts counts;
  for (const auto& [environment, difficulty] :
       {std::pair("babyai", 1), std::pair("babyai", 2), std::pair("textcraft", 1)}) {
    TaskCounts::Count& count = *counts.add_counts();
    count.set_environment(environment);
    count.set_difficulty(difficulty);
    count.set_train(50);
    count.set_test(10);
  }
  return counts;
}

inline JobPlan TestPlan() { return {"test", TestConfig(), TestCounts()}; }

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_TEST_JOB_H_
