#include "sft/sequences.h"

namespace sojourn::sft {

learner::SupervisedSequence ToSequence(const Demonstration& demonstration, const policy::Tokenizer& tokenizer,
                                       const policy::ChatFormat& chat, double language_model_weight) {
  learner::SupervisedSequence sequence;
  const auto add = [&](const std::vector<int32_t>& tokens, double weight) {
    sequence.tokens.insert(sequence.tokens.end(), tokens.begin(), tokens.end());
    sequence.weights.resize(sequence.tokens.size(), static_cast<float>(weight));
  };
  for (size_t t = 0; t < demonstration.turns.size(); ++t) {
    const Demonstration::Turn& turn = demonstration.turns[t];
    add(t == 0 ? chat.Begin(demonstration.instructions, demonstration.acceptance, turn.observation)
               : chat.Observe(turn.observation, /*stopped=*/true),
        language_model_weight);
    std::vector<int32_t> response = tokenizer.Encode(turn.response);
    response.push_back(chat.stop_token());
    add(response, turn.target ? 1 : 0);
  }
  return sequence;
}

}  // namespace sojourn::sft
