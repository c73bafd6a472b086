// The curriculum: which phase a job is in, and which groups are to be played next.
//
// A pure state machine. Next() looks at nothing but its arguments, and every random choice is drawn
// from a generator keyed by (seed, arm's name, stage, group). Groups are planned at fixed points:
// update u of a stage when update u - 1 - max_staleness has been consumed, the first max_staleness
// + 1 at the stage's start. So the same job gives the same assignments, whatever the timing and the
// crashes.
#ifndef SOJOURN_COORDINATOR_CURRICULUM_H_
#define SOJOURN_COORDINATOR_CURRICULUM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/state.pb.h"
#include "sojourn/v1/fleet.pb.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::coordinator {

// What a job is, fixed when it is submitted.
struct JobPlan {
  std::string job_id;
  v1::JobConfig config;
  TaskCounts counts;
};

struct Step {
  CurriculumState state;
  std::vector<v1::Assignment> planned;  // new training groups, in issue order
};

// The state after `event`. FailedPrecondition when the event does not fit the state (a row that is
// not being measured, an update out of order): the state stays as it was.
absl::StatusOr<Step> Next(const JobPlan& plan, const CurriculumState& state, const Event& event);

// How many updates the stage has if no token limit or success threshold ends it; 0 when only those
// can.
uint64_t PlannedUpdates(const v1::JobConfig& config, const v1::Stage& stage);
uint64_t PlannedUpdates(const v1::JobConfig& config, const v1::Arm& arm);  // 0: a stage has no limit

// The name under which a phase's model is saved: "before", "stage-1", ... Empty when the phase
// neither saves a model nor measures one.
std::string CheckpointLabel(const CurriculumState& state);

// How many learner ranks the job has (at least 1; none to measure an endpoint), and whether it
// measures anything.
uint32_t LearnerRanks(const v1::JobConfig& config);
bool HasEvaluation(const v1::JobConfig& config);

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_CURRICULUM_H_
