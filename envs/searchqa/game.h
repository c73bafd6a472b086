// The rules of AgentGym's SearchQA: search passages, answer the question.
#ifndef SOJOURN_ENVS_SEARCHQA_GAME_H_
#define SOJOURN_ENVS_SEARCHQA_GAME_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "envs/searchqa/passage_index.h"
#include "envs/searchqa/question.h"

namespace sojourn::envs::searchqa {

inline constexpr int kAgentGymResults = 3;       // of a search
inline constexpr size_t kMostShownBytes = 8192;  // of a passage; a longer one is cut

// Goes on after the right answer, as the original does.
class Game {
 public:
  explicit Game(int results) : results_(results) {}

  // The first observation: how to respond, and the question.
  std::string Reset(std::shared_ptr<const PassageIndex> passages, Question question);
  std::string Observation() const;  // the same again

  struct Reply {
    std::string observation;
    bool correct = false;
    bool understood = true;  // the response has a search or an answer
  };
  // Plays a whole response. An error is the index's (DataLoss).
  absl::StatusOr<Reply> Step(std::string_view response);

  const Question& question() const { return question_; }
  const PassageIndex& passages() const { return *passages_; }

  // What was shown and tried so far: the passages in the order in which they first came, and
  // whether a search or an answer was given. Only the first kMostKept of each are remembered.
  static constexpr size_t kMostKept = 512;
  const std::vector<uint32_t>& shown() const { return shown_; }
  bool HasSearched(std::string_view query) const { return searched_.contains(Hash(query)); }
  bool HasAnswered(std::string_view answer) const { return answered_.contains(Hash(answer)); }

 private:
  static uint64_t Hash(std::string_view text);

  int results_;
  std::shared_ptr<const PassageIndex> passages_;
  Question question_;
  std::vector<uint32_t> shown_;
  absl::flat_hash_set<uint64_t> searched_, answered_;
};

}  // namespace sojourn::envs::searchqa

#endif  // SOJOURN_ENVS_SEARCHQA_GAME_H_
