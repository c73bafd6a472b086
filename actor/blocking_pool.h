// Threads for calls that wait for others: instances of environments that block.
#ifndef SOJOURN_ACTOR_BLOCKING_POOL_H_
#define SOJOURN_ACTOR_BLOCKING_POOL_H_

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sojourn::actor {

// Thread-safe. Threads are made when they are needed, at most so many.
class BlockingPool {
 public:
  explicit BlockingPool(int most_threads) : most_(most_threads) {}
  ~BlockingPool();  // drops what has not begun, and waits for what has

  // Calls `work` on some thread, the earliest first. Afterwards it is destroyed there.
  void Run(std::function<void()> work);

 private:
  void Work();

  const size_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool stopping_ = false;
};

}  // namespace sojourn::actor

#endif  // SOJOURN_ACTOR_BLOCKING_POOL_H_
