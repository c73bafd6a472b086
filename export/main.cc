// sojourn-export: any model that loads, as a Hugging Face directory.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "policy/model_files.h"
#include "policy/text_files.h"

namespace {

using namespace sojourn;

absl::Status Export(const std::string& from, const std::string& to, const std::string& dtype) {
  std::error_code error;
  if (std::filesystem::exists(to, error) && !std::filesystem::is_empty(to, error)) {
    return absl::AlreadyExistsError(absl::StrCat(to, ": is there and not empty; give another --out"));
  }
  std::optional<torch::ScalarType> type;
  if (dtype == "float32") type = torch::kFloat;
  if (dtype == "bfloat16") type = torch::kBFloat16;
  const auto model = policy::LoadModel(from, type);
  if (!model.ok()) return model.status();
  return policy::SaveModel(to, *model, from);
}

}  // namespace

int main(int argc, char** argv) {
  std::string from, to, dtype = "stored";
  CLI::App app("Writes a model as a Hugging Face directory that transformers loads.", "sojourn export");
  app.add_option("MODEL", from, "a model directory, a run's arms/ARM/models/LABEL, or a .gguf file")->required();
  app.add_option("--out", to, "the directory to write; it must be new or empty")->required();
  app.add_option("--dtype", dtype, "of the weights: stored, float32 or bfloat16 (a GGUF file's become bfloat16)")
      ->capture_default_str()
      ->check(CLI::IsMember({"stored", "float32", "bfloat16"}));
  app.footer(
      "Examples:\n"
      "  sojourn export runs/quickstart/arms/mixture/models/stage-1 --out my-model\n"
      "  sojourn export SmolLM2-135M-Instruct.Q4_1.gguf --out models/SmolLM2-135M-Instruct");
  CLI11_PARSE(app, argc, argv);
  try {
    const absl::Status status = Export(from, to, dtype);
    if (status.ok()) return 0;
    std::cerr << "sojourn: " << status.message() << "\n";
  } catch (const std::exception& fault) {  // LibTorch's: out of memory, say
    std::cerr << "sojourn: " << fault.what() << "\n";
  }
  return 1;
}
