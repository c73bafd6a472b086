// A job's progress for people: one status line that is redrawn on a terminal, plain lines elsewhere.
#ifndef SOJOURN_CLI_PROGRESS_H_
#define SOJOURN_CLI_PROGRESS_H_

#include <cstdio>
#include <string>

#include "absl/time/time.h"
#include "sojourn/v1/job.pb.h"

namespace sojourn::cli {

// "sequential 1/3  stage 2/2 textcraft  [########........]  update 34/60  textcraft/1 46%  112 ep/s  9.8k tok/s  2m10s left"
std::string ProgressLine(const v1::JobStatus& status, int bar_width);

class ProgressPrinter {
 public:
  explicit ProgressPrinter(FILE* out);
  void Show(const v1::JobStatus& status);
  void Notice(const std::string& line);   // a line of its own, above the status line
  void Finish();                          // leaves the terminal on a fresh line

 private:
  FILE* out_;
  bool terminal_;
  int width_ = 100;
  std::string last_phase_;
  absl::Time last_shown_ = absl::InfinitePast();
  bool drawn_ = false;
};

std::string FormatSeconds(double seconds);     // "45s", "2m10s", "1h05m"
std::string FormatCount(double value);         // "950", "9.8k", "1.2M"
bool IsTerminal(FILE* out);                    // and colour is not switched off (NO_COLOR, TERM=dumb)

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_PROGRESS_H_
