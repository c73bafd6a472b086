// Progress of long work without a job, on a terminal only.
#ifndef SOJOURN_CLI_BAR_H_
#define SOJOURN_CLI_BAR_H_

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

#include "absl/time/clock.h"
#include "cli/progress.h"
#include "common/shutdown.h"

namespace sojourn::cli {

// A bar on a terminal; elsewhere nothing. False when the user wants to stop.
class Bar {
 public:
  bool Show(const char* doing, double done) {
    if (ShutdownRequested()) return false;
    const int permille = static_cast<int>(std::clamp(done, 0.0, 1.0) * 1000);
    if (!terminal_ || (permille == shown_ && doing == doing_)) return true;
    shown_ = permille;
    doing_ = doing;
    constexpr int kWidth = 40;
    const int full = permille * kWidth / 1000;
    std::fprintf(stderr, "\r\033[K%s [%s%s] %3d%%  %s", doing, std::string(full, '#').c_str(),
                 std::string(kWidth - full, '.').c_str(), permille / 10,
                 FormatSeconds(absl::ToDoubleSeconds(absl::Now() - start_)).c_str());
    std::fflush(stderr);
    return true;
  }
  ~Bar() {
    if (shown_ >= 0) std::fprintf(stderr, "\r\033[K");
  }

 private:
  const bool terminal_ = IsTerminal(stderr);
  const absl::Time start_ = absl::Now();
  const char* doing_ = nullptr;
  int shown_ = -1;
};

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_BAR_H_
