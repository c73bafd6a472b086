#include "cli/model_path.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/files.h"
#include "policy/gguf.h"

namespace sojourn::cli {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> Folders(const fs::path& in) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(in, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory(error)) found.push_back(it->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool IsModel(const fs::path& path) {
  std::error_code error;
  return fs::exists(path / "config.json", error) && fs::exists(path / "tokenizer.json", error);
}

// "stage-12" is 12; "before" is 0.
int Stage(const fs::path& model) {
  const std::string name = model.filename();
  int stage = 0;
  return absl::StartsWith(name, "stage-") && absl::SimpleAtoi(name.substr(6), &stage) ? stage : 0;
}

// The model of the arm's latest stage; empty: it has none.
fs::path LatestOf(const fs::path& arm) {
  fs::path latest;
  for (const fs::path& model : Folders(arm / "models")) {
    if (IsModel(model) && (latest.empty() || Stage(model) > Stage(latest))) latest = model;
  }
  return latest;
}

}  // namespace

absl::StatusOr<std::string> FindModelPath(const std::string& path) {
  const fs::path given = fs::absolute(path).lexically_normal();
  std::error_code error;
  if (!fs::exists(given, error)) {
    return absl::NotFoundError(absl::StrCat(
        path, ": there is no such file or folder; give a model directory, a .gguf file, or a run's folder"));
  }
  if (absl::EndsWith(path, ".gguf") || IsModel(given)) return given.string();
  if (fs::exists(given / "optimizer.safetensors", error)) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " is a learner's checkpoint, to go on from; the models to measure are in arms/ARM/models of the run"));
  }
  if (const fs::path latest = LatestOf(given); !latest.empty()) return latest.string();
  std::vector<std::string> models;
  for (const fs::path& arm : Folders(given / "arms")) {
    if (const fs::path latest = LatestOf(arm); !latest.empty()) models.push_back(latest.string());
  }
  if (models.size() == 1) return models[0];
  if (!models.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is a run with several arms; give one of\n  ", absl::StrJoin(models, "\n  ")));
  }
  return absl::NotFoundError(absl::StrCat(
      path, " holds no model (config.json, model.safetensors, tokenizer.json), nor is it a .gguf file or a run that "
            "has saved one"));
}

absl::StatusOr<ModelFacts> ReadModelFacts(const std::string& model_path) {
  ModelFacts facts;
  if (absl::EndsWith(model_path, ".gguf")) {
    const auto file = policy::GgufFile::Open(model_path);
    if (!file.ok()) return file.status();
    const auto architecture = (*file)->Get<std::string_view>("general.architecture");
    if (!architecture.ok()) return architecture.status();
    const auto positions = (*file)->Get<int64_t>(absl::StrCat(*architecture, ".context_length"));
    if (!positions.ok()) return positions.status();
    facts.dtype = "bfloat16";
    facts.positions = static_cast<uint32_t>(std::clamp<int64_t>(*positions, 0, UINT32_MAX));
    return facts;
  }
  const auto text = ReadFile(model_path + "/config.json");
  if (!text.ok()) return text.status();
  const auto config = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(model_path, "/config.json: expected a JSON object"));
  }
  for (const char* name : {"dtype", "torch_dtype"}) {
    const auto found = config.find(name);
    if (found != config.end() && found->is_string()) facts.dtype = *found == "float32" ? "float32" : "bfloat16";
  }
  const auto longest = config.find("max_position_embeddings");
  if (longest != config.end() && longest->is_number_unsigned() && *longest <= UINT32_MAX) {
    facts.positions = longest->get<uint32_t>();
  }
  return facts;
}

}  // namespace sojourn::cli
