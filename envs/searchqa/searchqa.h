// SearchQA as an environment: search passages, then answer a question about them. A task's
// difficulty is the number of passages that lead to the answer, its hops, 1 to 3.
#ifndef SOJOURN_ENVS_SEARCHQA_SEARCHQA_H_
#define SOJOURN_ENVS_SEARCHQA_SEARCHQA_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "envs/environment.h"
#include "envs/searchqa/library.h"

namespace sojourn::envs {

const Spec& SearchQASpec();

// Options (defaults in the spec):
//   data      a folder of questions and passages (library.h); "": a world that is made up.
//   seed      of the world.
//   passages  of each split's world.
//   results   how many passages a search shows, 1 to 10.
//
// The action is the whole response. The reward is the original's: 1 for the right answer, else 0; a
// wrong answer does not end the episode. A response without a search or an answer is invalid.
absl::StatusOr<std::unique_ptr<Environment>> MakeSearchQA(const Options& options);

DataReport CheckSearchQAData(const std::string& directory);

// What the options name, for those who play it otherwise (AgentGym's server).
absl::StatusOr<std::shared_ptr<const searchqa::Library>> LoadSearchQALibrary(
    const Options& options);

}  // namespace sojourn::envs

#endif  // SOJOURN_ENVS_SEARCHQA_SEARCHQA_H_
