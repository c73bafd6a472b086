// Which numbers of a server's tasks are whose.
#ifndef SOJOURN_ENVS_REMOTE_TASK_RANGES_H_
#define SOJOURN_ENVS_REMOTE_TASK_RANGES_H_

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sojourn::envs::remote {

// "0-1799", "7", "3-1799/40" (3, 43, 83, ...), several by commas; "2:125-415" for difficulty 2 (1
// when it is not said).
class TaskRanges {
 public:
  // InvalidArgument shows the place.
  static absl::StatusOr<TaskRanges> Parse(std::string_view text);

  const std::map<int, int64_t>& counts() const { return counts_; }  // by difficulty
  int64_t Count(int difficulty) const;
  // The server's number of a difficulty's task; OutOfRange says how many there are.
  absl::StatusOr<int64_t> Number(int difficulty, int64_t index) const;

 private:
  struct Range {
    int64_t first, step, count;
  };
  std::map<int, std::vector<Range>> ranges_;
  std::map<int, int64_t> counts_;
};

}  // namespace sojourn::envs::remote

#endif  // SOJOURN_ENVS_REMOTE_TASK_RANGES_H_
