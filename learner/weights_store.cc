#include "learner/weights_store.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/files.h"
#include "common/logging.h"
#include "common/sha256.h"

namespace sojourn::learner {
namespace {

constexpr char kSuffix[] = ".weights";  // manifest's length in decimal, '\n', manifest, bytes

std::string PathOf(const std::string& directory, uint64_t version) {
  return absl::StrFormat("%s/version-%08d%s", directory, version, kSuffix);
}

// Saved versions by number.
std::map<uint64_t, std::string> SavedIn(const std::string& directory) {
  std::map<uint64_t, std::string> saved;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    absl::string_view stem = name;
    uint64_t version;
    if (absl::ConsumePrefix(&stem, "version-") && absl::ConsumeSuffix(&stem, kSuffix) &&
        absl::SimpleAtoi(stem, &version)) {
      saved[version] = it->path().string();
    }
  }
  return saved;
}

absl::StatusOr<PolicyVersion> ReadVersion(const std::string& path) {
  absl::StatusOr<std::string> content = ReadFile(path, int64_t{1} << 40);
  if (!content.ok()) return content.status();
  const size_t end = content->find('\n');
  uint64_t length;
  PolicyVersion version;
  if (end == std::string::npos || !absl::SimpleAtoi(content->substr(0, end), &length) ||
      length > content->size() - end - 1 ||
      !version.manifest.ParseFromArray(content->data() + end + 1, static_cast<int>(length))) {
    return absl::DataLossError(absl::StrCat(path, ": not a file of weights"));
  }
  version.bytes = content->substr(end + 1 + length);
  if (Sha256Hex(version.bytes) != version.manifest.sha256()) {
    return absl::DataLossError(
        absl::StrCat(path, ": the bytes do not have the manifest's SHA-256"));
  }
  return version;
}

}  // namespace

WeightsStore::WeightsStore() : timer_([this] { RunTimer(); }) {}

WeightsStore::~WeightsStore() {
  Close();
  timer_.join();
}

void WeightsStore::StartArm(const std::string& job_id, uint32_t arm, size_t keep) {
  Answers answers;
  {
    std::lock_guard lock(mu_);
    job_id_ = job_id;
    arm_ = arm;
    keep_ = std::max<size_t>(keep, 1);
    versions_.clear();
    pinned_.reset();
    answers = TakeAnswersLocked();
  }
  for (const auto& answer : answers) answer();
}

absl::Status WeightsStore::Publish(uint64_t version, std::vector<v1::TensorInfo> tensors,
                                   std::string bytes) {
  auto made = std::make_shared<PolicyVersion>();
  v1::WeightsManifest& manifest = made->manifest;
  uint64_t expected = 0;
  for (v1::TensorInfo& tensor : tensors) {
    uint64_t size = tensor.dtype() == "F32" ? 4 : tensor.dtype() == "BF16" ? 2 : 0;
    if (size == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(tensor.name(), ": dtype is \"", tensor.dtype(), "\"; expected F32 or BF16"));
    }
    for (int64_t extent : tensor.shape()) size *= extent;
    expected += size;
    *manifest.add_tensors() = std::move(tensor);
  }
  if (expected != bytes.size()) {
    return absl::InvalidArgumentError(absl::StrCat("version ", version, ": the tensors ask for ",
                                                   expected, " bytes, but there are ",
                                                   bytes.size()));
  }
  manifest.set_version(version);
  manifest.set_total_bytes(bytes.size());
  manifest.set_chunk_bytes(kChunkBytes);
  manifest.set_chunks(static_cast<uint32_t>((bytes.size() + kChunkBytes - 1) / kChunkBytes));
  manifest.set_sha256(Sha256Hex(bytes));
  made->bytes = std::move(bytes);

  Answers answers;
  {
    std::lock_guard lock(mu_);
    const auto [it, inserted] = versions_.emplace(version, made);
    if (!inserted && it->second->manifest.sha256() != manifest.sha256()) {
      return absl::AlreadyExistsError(
          absl::StrCat("version ", version, " is published already, with SHA-256 ",
                       it->second->manifest.sha256(), ", and now came with ", manifest.sha256(),
                       "; a version never changes"));
    }
    EvictLocked();
    answers = TakeAnswersLocked();
  }
  for (const auto& answer : answers) answer();
  return absl::OkStatus();
}

void WeightsStore::Pin(uint64_t version) {
  std::lock_guard lock(mu_);
  if (versions_.count(version)) pinned_ = version;
  EvictLocked();
}

void WeightsStore::EvictLocked() {
  size_t newer = versions_.size();
  for (auto it = versions_.begin(); it != versions_.end();) {
    const bool kept = newer-- <= keep_ || it->first == pinned_;
    it = kept ? std::next(it) : versions_.erase(it);
  }
}

std::string WeightsStore::WhatThereIsLocked() const {
  if (job_id_.empty()) return "no arm is being trained here at present";
  std::string versions;
  for (const auto& [version, unused] : versions_)
    absl::StrAppend(&versions, versions.empty() ? "" : ", ", version);
  return absl::StrCat("here are versions [", versions, "] of (", job_id_, ", arm ", arm_, ")");
}

std::optional<absl::StatusOr<PolicyVersionPtr>> WeightsStore::AnswerLocked(
    const std::string& job_id, uint32_t arm, uint64_t version) const {
  if (closed_) return absl::UnavailableError("the learner is stopping");
  if (job_id_.empty()) return std::nullopt;
  if (job_id != job_id_ || arm != arm_) {
    return absl::NotFoundError(absl::StrCat("version ", version, " of (", job_id, ", arm ", arm,
                                            ") is not here; ", WhatThereIsLocked()));
  }
  if (const auto it = versions_.find(version); it != versions_.end()) return it->second;
  if (!versions_.empty() && version < versions_.rbegin()->first) {
    return absl::NotFoundError(
        absl::StrCat("version ", version, " is gone; ", WhatThereIsLocked()));
  }
  return std::nullopt;
}

WeightsStore::Answers WeightsStore::TakeAnswersLocked() {
  Answers answers;
  const absl::Time now = absl::Now();
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    std::optional<absl::StatusOr<PolicyVersionPtr>> answer =
        AnswerLocked(it->job_id, it->arm, it->version);
    if (!answer && it->deadline <= now) {
      answer = absl::DeadlineExceededError(
          absl::StrCat("version ", it->version, " of (", it->job_id, ", arm ", it->arm,
                       ") was not made in the time given; ", WhatThereIsLocked()));
    }
    if (!answer) {
      ++it;
      continue;
    }
    answers.push_back([done = std::move(it->done), answer = *std::move(answer)] { done(answer); });
    it = waiters_.erase(it);
  }
  return answers;
}

void WeightsStore::Wait(const std::string& job_id, uint32_t arm, uint64_t version,
                        absl::Time deadline, Done done) {
  Answers answers;
  {
    std::lock_guard lock(mu_);
    waiters_.push_back({job_id, arm, version, deadline, std::move(done)});
    answers = TakeAnswersLocked();
  }
  changed_.notify_all();
  for (const auto& answer : answers) answer();
}

absl::StatusOr<PolicyVersionPtr> WeightsStore::Find(const std::string& job_id, uint32_t arm,
                                                    uint64_t version) const {
  std::lock_guard lock(mu_);
  std::optional<absl::StatusOr<PolicyVersionPtr>> answer = AnswerLocked(job_id, arm, version);
  if (answer) return *std::move(answer);
  const std::string why =
      absl::StrCat("version ", version, " is not made yet; ", WhatThereIsLocked());
  return versions_.empty() ? absl::UnavailableError(why) : absl::DeadlineExceededError(why);
}

std::vector<PolicyVersionPtr> WeightsStore::All() const {
  std::lock_guard lock(mu_);
  std::vector<PolicyVersionPtr> all;
  for (const auto& [version, pointer] : versions_) all.push_back(pointer);
  return all;
}

void WeightsStore::Close() {
  Answers answers;
  {
    std::lock_guard lock(mu_);
    closed_ = true;
    answers = TakeAnswersLocked();
  }
  changed_.notify_all();
  for (const auto& answer : answers) answer();
}

void WeightsStore::RunTimer() {
  std::unique_lock lock(mu_);
  while (!closed_) {
    absl::Time next = absl::Now() + absl::Seconds(60);
    for (const Waiter& waiter : waiters_) next = std::min(next, waiter.deadline);
    changed_.wait_until(lock, absl::ToChronoTime(next));
    const Answers answers = TakeAnswersLocked();
    lock.unlock();
    for (const auto& answer : answers) answer();
    lock.lock();
  }
}

absl::Status WeightsStore::SaveOlder(const std::string& directory, uint64_t version) const {
  const std::map<uint64_t, std::string> saved = SavedIn(directory);
  for (const PolicyVersionPtr& kept : All()) {
    const uint64_t number = kept->manifest.version();
    if (number >= version || saved.count(number)) continue;
    const std::string manifest = kept->manifest.SerializeAsString();
    const absl::Status status = WriteFileAtomically(
        PathOf(directory, number), absl::StrCat(manifest.size(), "\n", manifest, kept->bytes));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status WeightsStore::RemoveStale(const std::string& directory) const {
  std::map<uint64_t, std::string> stale = SavedIn(directory);
  for (const PolicyVersionPtr& kept : All()) stale.erase(kept->manifest.version());
  for (const auto& [version, path] : stale) {
    std::error_code error;
    std::filesystem::remove(path, error);
    if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat(path, ": cannot remove"));
  }
  return absl::OkStatus();
}

absl::Status WeightsStore::LoadOlder(const std::string& directory, uint64_t version) {
  std::optional<uint64_t> pinned;
  size_t keep;
  {
    std::lock_guard lock(mu_);
    keep = keep_;
  }
  const std::map<uint64_t, std::string> saved = SavedIn(directory);
  const uint64_t first_kept = version >= keep - 1 ? version - (keep - 1) : 0;
  for (const auto& [number, path] : saved) {
    if (number < first_kept) pinned = number;
  }
  for (const auto& [number, path] : saved) {
    if (number >= version || (number < first_kept && number != pinned)) continue;
    absl::StatusOr<PolicyVersion> read = ReadVersion(path);
    if (!read.ok()) {
      spdlog::warn("{}; version {} cannot be handed out any more", read.status().ToString(),
                   number);
      continue;
    }
    std::vector<v1::TensorInfo> tensors(read->manifest.tensors().begin(),
                                        read->manifest.tensors().end());
    if (absl::Status status = Publish(number, std::move(tensors), std::move(read->bytes));
        !status.ok()) {
      return status;
    }
    if (number == pinned) Pin(number);
  }
  return absl::OkStatus();
}

}  // namespace sojourn::learner
