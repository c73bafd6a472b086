// What an actor needs of a job before it can play: its environments and the policy's words.
#ifndef SOJOURN_ACTOR_JOB_SETUP_H_
#define SOJOURN_ACTOR_JOB_SETUP_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "envs/environment.h"
#include "policy/chat.h"
#include "policy/tokenizer.h"
#include "sojourn/v1/fleet.pb.h"

namespace sojourn::actor {

class JobSetup {
 public:
  // Makes the job's environments and reads the tokenizer of the starting policy, or of the endpoint
  // if it is given one. Errors name what is missing.
  static absl::StatusOr<std::unique_ptr<JobSetup>> Load(const v1::ActorWelcome& welcome);

  // For tests: with a tokenizer that no file holds; null: as messages.
  static absl::StatusOr<std::unique_ptr<JobSetup>> Make(
      const std::string& job_id, const v1::JobConfig& config,
      std::unique_ptr<policy::Tokenizer> tokenizer, const policy::ChatSource& chat = {});

  const std::string& job_id() const { return job_id_; }
  const v1::JobConfig& config() const { return config_; }
  // Conversations go to an endpoint as messages: there is neither a chat format nor a tokenizer.
  bool as_messages() const { return tokenizer_ == nullptr; }
  const policy::ChatFormat& chat() const { return *chat_; }
  const policy::ChatFormat* chat_or_null() const { return chat_.has_value() ? &*chat_ : nullptr; }
  const policy::Tokenizer& tokenizer() const { return *tokenizer_; }
  int largest_group() const;  // episodes

  // NotFound lists the job's environments. With a variant, the environment seen through it; InvalidArgument for one
  // that is unknown or not possible.
  absl::StatusOr<std::shared_ptr<const envs::Environment>> FindEnvironment(const std::string& name,
                                                                           const std::string& variant = "") const;

 private:
  JobSetup() = default;
  std::string job_id_;
  v1::JobConfig config_;
  std::unique_ptr<policy::Tokenizer> tokenizer_;
  std::optional<policy::ChatFormat> chat_;
  std::map<std::string, std::shared_ptr<const envs::Environment>> environments_;
};

// Where the starting policy (or the endpoint's tokenizer) is: its path as it stands, or within the
// run's directory when it is relative.
std::string PolicyPath(const v1::ActorWelcome& welcome);

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_JOB_SETUP_H_
