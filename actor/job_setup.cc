#include "actor/job_setup.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "envs/variants/variants.h"
#include "policy/text_files.h"

namespace sojourn::actor {

std::string PolicyPath(const v1::ActorWelcome& welcome) {
  const v1::Policy& policy = welcome.config().policy();
  // An absolute path replaces what it is appended to.
  return std::filesystem::path(welcome.run_directory()) /
         (policy.has_endpoint() ? policy.endpoint().tokenizer() : policy.model());
}

absl::StatusOr<std::unique_ptr<JobSetup>> JobSetup::Load(const v1::ActorWelcome& welcome) {
  const v1::Policy& policy = welcome.config().policy();
  if (policy.has_endpoint() && policy.endpoint().tokenizer().empty()) {
    return Make(welcome.job_id(), welcome.config(), nullptr, {});
  }
  auto tokenizer = policy::LoadTokenizer(PolicyPath(welcome));
  if (!tokenizer.ok()) return tokenizer.status();
  const auto chat = policy::LoadChatSource(PolicyPath(welcome), **tokenizer);
  if (!chat.ok()) return chat.status();
  return Make(welcome.job_id(), welcome.config(), *std::move(tokenizer), *chat);
}

absl::StatusOr<std::unique_ptr<JobSetup>> JobSetup::Make(
    const std::string& job_id, const v1::JobConfig& config,
    std::unique_ptr<policy::Tokenizer> tokenizer, const policy::ChatSource& chat_source) {
  std::unique_ptr<JobSetup> setup(new JobSetup);
  setup->job_id_ = job_id;
  setup->config_ = config;
  setup->tokenizer_ = std::move(tokenizer);
  if (setup->tokenizer_ != nullptr) {
    auto chat = policy::ChatFormat::Create(*setup->tokenizer_, chat_source);
    if (!chat.ok()) return chat.status();
    setup->chat_ = *std::move(chat);
  }
  for (const v1::Environment& environment : config.environments()) {
    auto made = envs::Make(environment.type(), envs::Options(environment.options().begin(),
                                                             environment.options().end()));
    if (!made.ok()) {
      return absl::Status(made.status().code(), absl::StrCat("environment \"", environment.name(),
                                                             "\": ", made.status().message()));
    }
    const std::string& name = environment.name().empty() ? environment.type() : environment.name();
    setup->environments_[name] = *std::move(made);
  }
  return setup;
}

int JobSetup::largest_group() const {
  return std::max<int>({1, static_cast<int>(config_.rollout().group_size()),
                        static_cast<int>(config_.evaluation().episodes_per_task())});
}

absl::StatusOr<std::shared_ptr<const envs::Environment>> JobSetup::FindEnvironment(
    const std::string& name, const std::string& variant) const {
  const auto found = environments_.find(name);
  if (found != environments_.end()) {
    if (variant.empty()) return found->second;
    return envs::Vary(found->second, variant);
  }
  return absl::NotFoundError(absl::StrCat(
      "the job has no environment \"", name,
      "\"; it has: ", absl::StrJoin(environments_, ", ", [](std::string* out, const auto& entry) {
        *out += entry.first;
      })));
}

}  // namespace sojourn::actor
