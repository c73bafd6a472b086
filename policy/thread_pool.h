// Threads for short parallel loops, many times a millisecond.
#ifndef SOJOURN_POLICY_THREAD_POOL_H_
#define SOJOURN_POLICY_THREAD_POOL_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace sojourn::policy {

// The caller is one of the threads. Each takes pieces from a part of its own, one after the other
// (which suits memory), and then from the others': a thread that the operating system holds up
// delays only the piece that it is at. Helpers spin for some microseconds after a loop, then sleep.
// One loop at a time: not thread-safe.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);  // 1 to 256
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(parts_.size()); }

  // work(piece, thread) for every piece in [0, pieces), thread in [0, threads()); returns when all
  // are done. Must not throw.
  using Work = absl::FunctionRef<void(int64_t piece, int thread)>;
  void For(int64_t pieces, Work work);

 private:
  void Help(int thread);
  bool TakePiece(int thread);  // false when none is left

  // A thread's part of the pieces: the end (high half) and the next one (low half), in one number,
  // so that a late helper takes a piece of the present loop or none.
  struct alignas(64) Part {
    std::atomic<uint64_t> pieces{0};
  };
  std::vector<Part> parts_;
  std::atomic<int64_t> done_{0};
  std::atomic<uint32_t> loops_{0};  // what sleeping helpers wait on
  std::atomic<bool> ending_{false};
  const Work* work_ = nullptr;  // valid while pieces are left or being done
  std::vector<std::thread> helpers_;
};

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_THREAD_POOL_H_
