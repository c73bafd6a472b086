#include "learner/batching.h"

namespace sojourn::learner {

std::vector<Range> CutMicrobatches(absl::Span<const SequenceSize> sequences, uint64_t budget) {
  std::vector<Range> ranges;
  uint64_t tokens = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const SequenceSize& s = sequences[i];
    const bool goes_on = i > 0 && sequences[i - 1].group == s.group;
    uint64_t more = s.length - (goes_on ? s.shared : 0);
    if (ranges.empty() || (budget > 0 && tokens + more > budget)) {
      ranges.push_back({i, i});
      tokens = 0;
      more = s.length;
    }
    ranges.back().end = i + 1;
    tokens += more;
  }
  return ranges;
}

uint32_t MinibatchOf(uint64_t group, uint32_t groups_per_update, uint32_t minibatches) {
  return (group % groups_per_update) * minibatches / groups_per_update;
}

}  // namespace sojourn::learner
