#include "policy/thread_pool.h"

namespace sojourn::policy {
namespace {

constexpr int kSpins = 1000;  // about 50 microseconds: the pauses within one pass of a model

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  for (int thread = 1; thread < threads; ++thread)
    helpers_.emplace_back(&ThreadPool::Help, this, thread);
}

ThreadPool::~ThreadPool() {
  ending_ = true;
  loops_.fetch_add(1);
  loops_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

bool ThreadPool::TakePiece(int thread) {
  const uint64_t seen = taken_.load(std::memory_order_relaxed);
  if (static_cast<uint32_t>(seen) >= seen >> 32) return false;
  const uint64_t before = taken_.fetch_add(1, std::memory_order_acq_rel);
  const uint64_t piece = static_cast<uint32_t>(before);
  if (piece >= before >> 32) return false;
  (*work_)(static_cast<int64_t>(piece), thread);
  done_.fetch_add(1, std::memory_order_release);
  return true;
}

void ThreadPool::For(int64_t pieces, Work work) {
  if (helpers_.empty() || pieces <= 1) {
    for (int64_t piece = 0; piece < pieces; ++piece) work(piece, 0);
    return;
  }
  work_ = &work;
  done_.store(0, std::memory_order_relaxed);
  taken_.store(static_cast<uint64_t>(pieces) << 32, std::memory_order_release);
  loops_.fetch_add(1);
  loops_.notify_all();
  while (TakePiece(0)) {
  }
  for (int spins = 0; done_.load(std::memory_order_acquire) < pieces; ++spins) {
    if (spins < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();  // a helper is held up in the middle of its piece
    }
  }
}

void ThreadPool::Help(int thread) {
  for (;;) {
    const uint32_t loops = loops_.load();  // first, so that no news is slept through
    if (ending_) return;
    if (TakePiece(thread)) continue;
    int spins = 0;
    while (spins < kSpins && loops_.load(std::memory_order_relaxed) == loops) {
      Pause();
      ++spins;
    }
    if (spins == kSpins) loops_.wait(loops);
  }
}

}  // namespace sojourn::policy
