// How many instances clients may have at once, over all doors, and for how long without using them.
#ifndef SOJOURN_ENVS_SERVE_SEATS_H_
#define SOJOURN_ENVS_SERVE_SEATS_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/metrics.h"

namespace sojourn::envs::serve {

// Thread-safe.
class Seats {
 public:
  Seats(int most, absl::Duration idle, Metrics& metrics)
      : most_(most),
        idle_(idle),
        taken_gauge_(metrics.Gauge("sojourn_envs_instances", "Instances that clients have")),
        expired_(metrics.Counter("sojourn_envs_expired_instances_total",
                                 "Instances taken away because they were not used")),
        refused_(metrics.Counter("sojourn_envs_refused_instances_total",
                                 "Instances refused because there were too many")) {}

  // Held by what it is the seat of; given back when destroyed. False: there was none.
  class Seat {
   public:
    Seat() = default;
    Seat(Seat&& other) noexcept : seats_(std::exchange(other.seats_, nullptr)) { Use(); }
    Seat& operator=(Seat&& other) noexcept {
      std::swap(seats_, other.seats_);
      Use();
      return *this;
    }
    ~Seat() {
      if (seats_ != nullptr) seats_->GiveBack();
    }
    explicit operator bool() const { return seats_ != nullptr; }
    void Use() { used_ = absl::ToUnixMillis(absl::Now()); }
    bool expired() const {
      return seats_ != nullptr &&
             absl::ToUnixMillis(absl::Now()) - used_ > absl::ToInt64Milliseconds(seats_->idle_);
    }

   private:
    friend class Seats;
    explicit Seat(Seats* seats) : seats_(seats) { Use(); }
    Seats* seats_ = nullptr;
    std::atomic<int64_t> used_{0};  // Unix time in milliseconds
  };

  Seat Take() {
    int taken = taken_;
    do {
      if (taken >= most_) {
        refused_.Increment();
        return Seat();
      }
    } while (!taken_.compare_exchange_weak(taken, taken + 1));
    taken_gauge_.Increment();
    return Seat(this);
  }

  int most() const { return most_; }
  absl::Duration idle() const { return idle_; }
  void CountExpired() { expired_.Increment(); }

 private:
  void GiveBack() {
    --taken_;
    taken_gauge_.Decrement();
  }

  const int most_;
  const absl::Duration idle_;
  std::atomic<int> taken_{0};
  prometheus::Gauge& taken_gauge_;
  prometheus::Counter &expired_, &refused_;
};

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_SEATS_H_
