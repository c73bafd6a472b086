// How far a job is and how fast it goes: pure functions of what is known.
#ifndef SOJOURN_COORDINATOR_PROGRESS_H_
#define SOJOURN_COORDINATOR_PROGRESS_H_

#include <cstdint>
#include <deque>

#include "coordinator/curriculum.h"

namespace sojourn::coordinator {

// The share of the job's episodes, training and evaluation, that lie behind its present place, in
// [0, 1]. Stages whose length only tokens or success decide are guessed from the tokens per episode
// so far.
double WorkDone(const JobPlan& plan, const CurriculumState& state, uint64_t row_results);

// Updates of the present arm by its stages' limits; ended stages count what they had.
uint64_t PlannedArmUpdates(const JobPlan& plan, const CurriculumState& state);

// Fills in what `recent` updates of an arm, oldest first, say: rates, success over those of
// `stage`, the last metrics.
void AddRecent(const std::deque<v1::UpdateRecord>& recent, uint32_t stage, v1::Progress& progress);

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_PROGRESS_H_
