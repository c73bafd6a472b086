// Rows of the transfer matrix as assignments.
//
// Every row measures the same tasks with the same random keys, whatever the arm and the stage: rows
// and arms are compared with common random numbers.
#ifndef SOJOURN_COORDINATOR_EVALUATION_H_
#define SOJOURN_COORDINATOR_EVALUATION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/curriculum.h"

namespace sojourn::coordinator {

// Rows are numbered within an arm. The first two are measured once, in arm 0, and shown in every
// arm.
inline constexpr uint32_t kRandomRow = 0;
inline constexpr uint32_t kBeforeRow = 1;
inline uint32_t StageRow(uint32_t stage) { return 2 + stage; }

// The row that the state measures; none in other phases.
std::optional<uint32_t> RowUnderWay(const CurriculumState& state);

// "random", "before", "after 1: babyai, textcraft".
std::string RowName(const v1::Arm& arm, uint32_t row);

// The row's assignments; an assignment's group is its place. For each cell and each of the first
// `evaluation.tasks` tasks of its split: `episodes_per_task` sampled members, then one greedy if
// asked for.
std::vector<v1::Assignment> PlanRow(const JobPlan& plan, uint32_t arm, uint32_t row,
                                    uint64_t policy_version);

// How many episodes a row has.
uint64_t RowEpisodes(const JobPlan& plan, uint32_t row);

// The row's results put together by cell and task, cells in the configuration's order. Tasks of
// which no episode is known yet are left out.
v1::MatrixRow CollectRow(const JobPlan& plan, uint32_t arm, uint32_t row,
                         const std::vector<v1::EpisodeResult>& results);

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_EVALUATION_H_
