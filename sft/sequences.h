// Demonstrations as tokens with loss weights.
#ifndef SOJOURN_SFT_SEQUENCES_H_
#define SOJOURN_SFT_SEQUENCES_H_

#include "learner/sft.h"
#include "policy/chat.h"
#include "sft/demonstrations.h"

namespace sojourn::sft {

// Weight 1 on what the policy should say (the stop token included), `language_model_weight` on what the
// environment says, 0 on responses that were only played.
learner::SupervisedSequence ToSequence(const Demonstration& demonstration, const policy::Tokenizer& tokenizer,
                                       const policy::ChatFormat& chat, double language_model_weight);

}  // namespace sojourn::sft

#endif  // SOJOURN_SFT_SEQUENCES_H_
