#include "learner/collective.h"

#include <mutex>

namespace sojourn::learner {
namespace {

class SingleRankCollective : public Collective {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  absl::Status AllReduceSum(absl::Span<float>, absl::Duration) override { return Check(); }
  absl::Status AllReduceSum(absl::Span<double>, absl::Duration) override { return Check(); }
  absl::Status Barrier(absl::Duration) override { return Check(); }
  absl::Status Broadcast(int, std::string&, absl::Duration) override { return Check(); }
  void Abort(std::string_view reason) override {
    std::lock_guard lock(mutex_);
    if (error_.ok()) error_ = absl::AbortedError(std::string(reason));
  }

 private:
  absl::Status Check() {
    std::lock_guard lock(mutex_);
    return error_;
  }
  std::mutex mutex_;
  absl::Status error_;
};

}  // namespace

absl::StatusOr<std::vector<double>> AllGather(Collective& collective, double value,
                                              absl::Duration timeout) {
  std::vector<double> values(collective.size(), 0.0);
  values[collective.rank()] = value;
  absl::Status status = collective.AllReduceSum(absl::MakeSpan(values), timeout);
  if (!status.ok()) return status;
  return values;
}

std::unique_ptr<Collective> SingleRank() { return std::make_unique<SingleRankCollective>(); }

}  // namespace sojourn::learner
