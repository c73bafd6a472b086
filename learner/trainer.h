// The mathematics of one learner rank: groups of trajectories in, a new policy version out.
//
// One update: advantages from rewards -> minibatches (the update's groups in issue order, in equal
// parts) -> micro-batches (cut by issue order and a token budget, packed without padding, the prompt that a
// group's episodes share read once) ->
// forward and backward, gradients added up over micro-batches and then over ranks -> clip -> AdamW.
// At one thread the result is the same bit for bit for the same inputs and number of ranks.
//
// Old log-probabilities are the actor's (behavior_logprobs). They are of the rollout's temperature,
// and the trainer scores at that temperature. With top-p or top-k on they are of the truncated
// distribution; the trainer scores the whole one, so ratios then start below 1 (the truncated mass
// is not restored).
#ifndef SOJOURN_LEARNER_TRAINER_H_
#define SOJOURN_LEARNER_TRAINER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "learner/algorithm.h"
#include "learner/collective.h"
#include "learner/optimizer.h"
#include "learner/schedule.h"
#include "learner/trainable.h"
#include "policy/model.h"
#include "sojourn/v1/fleet.pb.h"
#include "sojourn/v1/job.pb.h"
#include "sojourn/v1/trajectory.pb.h"

namespace sojourn::learner {

// Everything an update depends on beside its trajectories and the configuration. Tensors are
// copies.
struct TrainerState {
  uint64_t version = 0;          // updates so far
  uint64_t optimizer_steps = 0;  // minibatches so far
  policy::Weights weights;    // what is trained (Trainable::parameters)
  policy::Weights optimizer;  // "exp_avg/NAME", "exp_avg_sq/NAME"
};

// Metrics that need the model (loss, kl, entropy, clip_fraction) are over the tokens that were
// read: a group whose gradient is exactly 0 is not. When nothing was read, entropy is estimated as
// the mean of -log p_actor. logprob_difference is of the first minibatch, before any step; with
// staleness it holds, beside numerical differences, how far the policy has moved since the episodes
// were played.
struct UpdateResult {
  v1::UpdateMetrics metrics;              // over all ranks; wait_seconds is the caller's to fill
  std::vector<v1::GroupConsumed> groups;  // this rank's, by group
};

// Why a trajectory could never be trained on (InvalidArgument), so that it can be refused on
// arrival: array lengths, token ids, mask and log-probabilities, member and group size, context
// length.
absl::Status ValidateTrajectory(const v1::Trajectory& trajectory, const v1::JobConfig& config,
                                const policy::ModelConfig& model);

class Trainer {
 public:
  // `config` is a resolved one (defaults filled in); `planned_updates` are the most that the arm can
  // have, 0: unknown; `starting` is the starting policy: what version 0 plays and what KL is measured to; its tensors
  // are not changed. `collective` must outlive the trainer; `reduce_timeout` bounds every wait for
  // other ranks.
  static absl::StatusOr<std::unique_ptr<Trainer>> Create(const v1::JobConfig& config,
                                                         uint64_t planned_updates,
                                                         const policy::Model& starting,
                                                         Collective* collective,
                                                         absl::Duration reduce_timeout,
                                                         const torch::Device& device = torch::kCPU);

  // Update number version(): this rank's trajectories of it, whole groups, sorted by (group,
  // member): groups version() * groups_per_update + i with i % ranks == rank. Afterwards version()
  // is one more. InvalidArgument: nothing was changed and no other rank was waited for. Any other
  // error leaves the trainer unfit for use (and the collective over): make a new one and Restore a
  // checkpoint.
  absl::StatusOr<UpdateResult> Update(absl::Span<const v1::Trajectory> trajectories);

  uint64_t version() const { return version_; }
  // The present version as actors play it and as it is saved; with fp32 and without LoRA its weights change
  // in place with every Update.
  policy::Model Policy() const { return trainable_.Policy(); }
  const policy::ModelConfig& model_config() const { return reference_.config(); }
  const Trainable& trainable() const { return trainable_; }

  TrainerState Export() const;
  absl::Status Restore(const TrainerState& state);  // InvalidArgument: of another model

 private:
  struct Episode;  // one trajectory, with what the update computes for it
  struct Sums;     // metrics under way

  Trainer(v1::JobConfig config, Trainable trainable, policy::Model reference,
          std::unique_ptr<Algorithm> algorithm, Collective* collective,
          absl::Duration reduce_timeout, Schedule schedule);

  torch::Tensor There(const torch::Tensor& x) const { return x.to(trainable_.device()); }
  absl::Status CheckUpdate(absl::Span<const v1::Trajectory> trajectories) const;
  std::vector<Episode> MakeEpisodes(absl::Span<const v1::Trajectory> trajectories) const;
  void ScoreReference(std::vector<Episode>& episodes) const;
  absl::Status Step(std::vector<Episode*> episodes, bool first, double learning_rate, Sums& sums);
  absl::StatusOr<UpdateResult> UpdateOrThrow(absl::Span<const v1::Trajectory> trajectories);

  v1::JobConfig config_;
  Trainable trainable_;
  policy::Model reference_;  // the starting policy; shares its tensors
  std::unique_ptr<Algorithm> algorithm_;
  Collective* collective_;
  absl::Duration reduce_timeout_;
  Schedule schedule_;
  Gradients gradients_;
  AdamW optimizer_;
  uint64_t version_ = 0;
};

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_TRAINER_H_
