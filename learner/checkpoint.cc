#include "learner/checkpoint.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/files.h"
#include "policy/model_files.h"

namespace sojourn::learner {
namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = "version-";
constexpr char kWriting[] = ".writing";  // what is being written, or was when its writer died
constexpr char kModel[] = "model.safetensors";
constexpr char kOptimizer[] = "optimizer.safetensors";

absl::Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (synced) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, ": cannot sync: ", std::strerror(error)));
}

// Versions that have a folder, whole or not.
std::map<uint64_t, std::string> List(const std::string& directory) {
  std::map<uint64_t, std::string> found;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    uint64_t version;
    if (name.rfind(kPrefix, 0) == 0 &&
        absl::SimpleAtoi(name.substr(sizeof(kPrefix) - 1), &version)) {
      found[version] = entry.path().string();
    }
  }
  return found;
}

absl::StatusOr<policy::Weights> ReadTensors(const std::string& path, const std::string& sha256) {
  absl::StatusOr<std::string> actual = policy::FileSha256(path);
  if (!actual.ok()) return actual.status();
  if (*actual != sha256) {
    return absl::DataLossError(absl::StrCat(path, ": SHA-256 is ", *actual, ", expected ", sha256));
  }
  return policy::ReadSafetensors(path);
}

absl::StatusOr<Checkpoint> ReadOrThrow(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path + "/state.json");
  if (!text.ok()) return text.status();
  const nlohmann::json json = nlohmann::json::parse(*text);
  Checkpoint checkpoint;
  checkpoint.job_id = json.at("job_id").get<std::string>();
  checkpoint.arm = json.at("arm").get<uint32_t>();
  checkpoint.state.version = json.at("version").get<uint64_t>();
  checkpoint.state.optimizer_steps = json.at("optimizer_steps").get<uint64_t>();
  for (const std::string& encoded : json.at("unacknowledged").get<std::vector<std::string>>()) {
    std::string bytes;
    if (!absl::Base64Unescape(encoded, &bytes) ||
        !checkpoint.unacknowledged.emplace_back().ParseFromString(bytes)) {
      return absl::DataLossError(
          absl::StrCat(path, "/state.json: an unacknowledged update is not one"));
    }
  }
  auto weights =
      ReadTensors(absl::StrCat(path, "/", kModel), json.at("model_sha256").get<std::string>());
  if (!weights.ok()) return weights.status();
  auto optimizer = ReadTensors(absl::StrCat(path, "/", kOptimizer),
                               json.at("optimizer_sha256").get<std::string>());
  if (!optimizer.ok()) return optimizer.status();
  checkpoint.state.weights = *std::move(weights);
  checkpoint.state.optimizer = *std::move(optimizer);
  return checkpoint;
}

absl::StatusOr<Checkpoint> Read(const std::string& path) {
  try {
    return ReadOrThrow(path);
  } catch (const std::exception& e) {
    return absl::DataLossError(absl::StrCat(path, "/state.json: ", e.what()));
  }
}

absl::Status WriteInto(const std::string& folder, const Checkpoint& checkpoint) {
  nlohmann::json json = {{"job_id", checkpoint.job_id},
                         {"arm", checkpoint.arm},
                         {"version", checkpoint.state.version},
                         {"optimizer_steps", checkpoint.state.optimizer_steps},
                         {"unacknowledged", nlohmann::json::array()}};
  for (const v1::RankUpdate& update : checkpoint.unacknowledged) {
    json["unacknowledged"].push_back(absl::Base64Escape(update.SerializeAsString()));
  }
  const std::pair<const char*, const policy::Weights*> files[] = {
      {kModel, &checkpoint.state.weights}, {kOptimizer, &checkpoint.state.optimizer}};
  for (const auto& [name, tensors] : files) {
    const std::string path = absl::StrCat(folder, "/", name);
    absl::Status status = policy::WriteSafetensors(path, *tensors);
    if (!status.ok()) return status;
    absl::StatusOr<std::string> sha256 = policy::FileSha256(path);
    if (!sha256.ok()) return sha256.status();
    json[name == kModel ? "model_sha256" : "optimizer_sha256"] = *sha256;
  }
  return WriteFileAtomically(folder + "/state.json", json.dump(1));
}

}  // namespace

absl::Status WriteCheckpoint(const std::string& directory, const Checkpoint& checkpoint, int keep) {
  std::error_code error;
  const std::string writing = absl::StrCat(directory, "/", kWriting);
  const std::string path =
      absl::StrFormat("%s/%s%08d", directory, kPrefix, checkpoint.state.version);
  fs::remove_all(writing, error);
  fs::create_directories(writing, error);
  if (error)
    return absl::UnavailableError(absl::StrCat(writing, ": cannot be made: ", error.message()));
  absl::Status status = WriteInto(writing, checkpoint);
  if (!status.ok()) return status;
  status = SyncFolder(writing);
  if (!status.ok()) return status;
  // An older one of the same version changes places with the new one in one step.
  const unsigned flags = fs::exists(path) ? RENAME_EXCHANGE : 0;
  if (renameat2(AT_FDCWD, writing.c_str(), AT_FDCWD, path.c_str(), flags) != 0) {
    // A file system without it: there is a moment without this version, but not without the one
    // before.
    fs::remove_all(path, error);
    fs::rename(writing, path, error);
    if (error)
      return absl::UnavailableError(
          absl::StrCat(path, ": cannot be renamed to: ", error.message()));
  }
  status = SyncFolder(directory);
  if (!status.ok()) return status;
  fs::remove_all(writing, error);
  const std::map<uint64_t, std::string> found = List(directory);
  int extra = static_cast<int>(found.size()) - std::max(keep, 1);
  for (const auto& [version, old] : found) {
    if (extra-- <= 0) break;
    if (version != checkpoint.state.version) fs::remove_all(old, error);
  }
  return absl::OkStatus();
}

absl::StatusOr<Checkpoint> FindNewestCheckpoint(const std::string& directory,
                                                const std::string& job_id, uint32_t arm,
                                                uint64_t max_version) {
  const std::map<uint64_t, std::string> found = List(directory);
  for (auto it = found.rbegin(); it != found.rend(); ++it) {
    if (it->first > max_version) continue;
    absl::StatusOr<Checkpoint> checkpoint = Read(it->second);
    if (!checkpoint.ok()) {
      spdlog::warn("skipped a broken checkpoint: {}", checkpoint.status().ToString());
    } else if (checkpoint->job_id == job_id && checkpoint->arm == arm &&
               checkpoint->state.version == it->first) {
      return checkpoint;
    }
  }
  return absl::NotFoundError(
      absl::StrCat(directory, ": no checkpoint of job ", job_id, ", arm ", arm));
}

}  // namespace sojourn::learner
