// Which model a path on the command line means.
#ifndef SOJOURN_CLI_MODEL_PATH_H_
#define SOJOURN_CLI_MODEL_PATH_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace sojourn::cli {

// A model directory and a .gguf file are themselves; an arm's folder (runs/NAME/arms/ARM) and a run's with one
// arm are the model of the latest stage. Absolute. NotFound or InvalidArgument says what the path is, and what
// else could be meant.
absl::StatusOr<std::string> FindModelPath(const std::string& path);

// What a model's files say before it is loaded.
struct ModelFacts {
  std::string dtype = "float32";   // or "bfloat16": what its weights are stored as, or fit best
  uint32_t positions = 0;          // the longest context that it was made for; 0: it does not say
};
absl::StatusOr<ModelFacts> ReadModelFacts(const std::string& model_path);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_MODEL_PATH_H_
