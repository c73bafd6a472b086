#include "learner/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "absl/strings/str_cat.h"

namespace sojourn::learner {

absl::StatusOr<Schedule> Schedule::Create(const v1::Algorithm& algorithm, uint64_t total) {
  const double peak = algorithm.learning_rate();
  if (!std::isfinite(peak) || peak < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("algorithm.learning_rate: ", peak, " is not a finite number of at least 0"));
  }
  const std::string& kind = algorithm.schedule();
  const uint64_t warmup = algorithm.warmup_updates();
  if (kind == "constant") return Schedule(Kind::kConstant, peak, warmup, total);
  if (kind == "linear") return Schedule(Kind::kLinear, peak, warmup, total);
  if (kind == "cosine") return Schedule(Kind::kCosine, peak, warmup, total);
  return absl::InvalidArgumentError(absl::StrCat("algorithm.schedule: unknown schedule \"", kind,
                                                 "\"; known: constant, linear, cosine"));
}

double Schedule::Rate(uint64_t update) const {
  if (update < warmup_) return peak_ * (update + 1) / warmup_;
  if (kind_ == Kind::kConstant || total_ <= warmup_) return peak_;
  const double done = std::min(1.0, static_cast<double>(update - warmup_) / (total_ - warmup_));
  if (kind_ == Kind::kLinear) return peak_ * (1 - done);
  return peak_ * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

}  // namespace sojourn::learner
