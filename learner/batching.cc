#include "learner/batching.h"

namespace sojourn::learner {

std::vector<Range> CutMicrobatches(absl::Span<const int32_t> lengths, uint64_t budget) {
  std::vector<Range> ranges;
  uint64_t tokens = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const uint64_t length = lengths[i];
    if (ranges.empty() || (budget > 0 && tokens + length > budget)) {
      ranges.push_back({i, i});
      tokens = 0;
    }
    ranges.back().end = i + 1;
    tokens += length;
  }
  return ranges;
}

uint32_t MinibatchOf(uint64_t group, uint32_t groups_per_update, uint32_t minibatches) {
  return (group % groups_per_update) * minibatches / groups_per_update;
}

}  // namespace sojourn::learner
