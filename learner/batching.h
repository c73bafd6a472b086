// How an update's sequences are cut into forward passes: by order and size only, never by arrival,
// so that the same update always makes the same tensor shapes.
#ifndef SOJOURN_LEARNER_BATCHING_H_
#define SOJOURN_LEARNER_BATCHING_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace sojourn::learner {

struct Range {
  size_t begin = 0;
  size_t end = 0;  // past the last
  bool operator==(const Range&) const = default;
};

struct SequenceSize {
  int32_t length = 0;
  uint64_t group = 0;
  int32_t shared = 0;  // < length: tokens that all of its group begin with
};

// Consecutive sequences whose tokens to read are at most `budget`, where what a group shares is read
// once in a micro-batch; one that is longer alone is a micro-batch of its own. A budget of 0 puts all
// in one.
std::vector<Range> CutMicrobatches(absl::Span<const SequenceSize> sequences, uint64_t budget);

// The minibatch, of `minibatches`, that trains on a group: an update's groups in issue order, in
// parts as equal as can be. The same for any number of ranks.
uint32_t MinibatchOf(uint64_t group, uint32_t groups_per_update, uint32_t minibatches);

}  // namespace sojourn::learner

#endif  // SOJOURN_LEARNER_BATCHING_H_
