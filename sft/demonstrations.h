// Conversations of demonstrators, as training sequences: the mixed crowd from which a starting policy is cloned.
#ifndef SOJOURN_SFT_DEMONSTRATIONS_H_
#define SOJOURN_SFT_DEMONSTRATIONS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/random.h"
#include "envs/environment.h"
#include "sojourn/v1/sft.pb.h"

namespace sojourn::sft {

// One episode as text. A response that was only played (noise) is context; a target is learned.
struct Demonstration {
  struct Turn {
    std::string observation;
    std::string response;      // "Thought: ...\nAction: ..."
    bool target = true;
  };
  std::string instructions, acceptance;   // empty when the configuration leaves them out
  std::vector<Turn> turns;
  bool success = false;
};

// Plays demonstrations in the configured shares. The n-th demonstration of a seed is always the same.
class Demonstrator {
 public:
  static absl::StatusOr<std::unique_ptr<Demonstrator>> Create(const v1::SftConfig& config);

  absl::StatusOr<Demonstration> Play(uint64_t n);

 private:
  struct Source {
    v1::DemonstrationConfig config;
    std::unique_ptr<envs::Environment> environment;
    std::unique_ptr<envs::Instance> instance;
    std::vector<Demonstration> recorded;   // instead of an environment
    double until = 0;          // cumulative share
  };
  Demonstrator() : key_(0) {}

  RandomKey key_;
  bool instructions_ = false;
  std::vector<Source> sources_;
};

}  // namespace sojourn::sft

#endif  // SOJOURN_SFT_DEMONSTRATIONS_H_
