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

ThreadPool::ThreadPool(int threads) : parts_(threads) {
  for (int thread = 1; thread < threads; ++thread) {
    helpers_.emplace_back(&ThreadPool::Help, this, thread);
  }
}

ThreadPool::~ThreadPool() {
  ending_ = true;
  loops_.fetch_add(1);
  loops_.notify_all();
  for (std::thread& helper : helpers_) helper.join();
}

bool ThreadPool::TakePiece(int thread) {
  for (int i = 0; i < threads(); ++i) {
    std::atomic<uint64_t>& pieces = parts_[(thread + i) % threads()].pieces;
    const auto left = [](uint64_t value) { return static_cast<uint32_t>(value) < value >> 32; };
    if (!left(pieces.load(std::memory_order_relaxed))) continue;
    const uint64_t taken = pieces.fetch_add(1, std::memory_order_acq_rel);
    if (!left(taken)) continue;
    (*work_)(static_cast<uint32_t>(taken), thread);
    done_.fetch_add(1, std::memory_order_release);
    return true;
  }
  return false;
}

void ThreadPool::For(int64_t pieces, Work work) {
  if (helpers_.empty() || pieces <= 1) {
    for (int64_t piece = 0; piece < pieces; ++piece) work(piece, 0);
    return;
  }
  work_ = &work;
  done_.store(0, std::memory_order_relaxed);
  for (int thread = threads() - 1; thread >= 0; --thread) {
    const uint64_t first = pieces * thread / threads(), end = pieces * (thread + 1) / threads();
    parts_[thread].pieces.store(end << 32 | first, std::memory_order_release);
  }
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
