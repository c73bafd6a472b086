// The groups that are to be played now, and who plays which.
//
// A group is queued, then leased to one actor, then delivered (every member is safe with its
// learner or stored here). A lease that ends before delivery puts the group back in its old place.
// Knows no clocks: the caller says when a lease ends. Not thread-safe.
#ifndef SOJOURN_COORDINATOR_ASSIGNMENT_QUEUE_H_
#define SOJOURN_COORDINATOR_ASSIGNMENT_QUEUE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sojourn/v1/fleet.pb.h"

namespace sojourn::coordinator {

class AssignmentQueue {
 public:
  // Queues an assignment under its group's number; one that is there already stays as it is.
  void Add(const v1::Assignment& assignment);
  void Clear();

  // The lowest queued group, now leased to `actor`; none when nothing is queued.
  std::optional<v1::Assignment> Lease(const std::string& actor);

  // Leases a group to an actor that says it still plays it; false when it is not queued.
  bool Adopt(uint64_t group, const std::string& actor);

  // The actor's undelivered groups are queued again. How many these were.
  size_t Release(const std::string& actor);

  void Deliver(uint64_t group);  // from any state; unknown groups are ignored
  void Requeue(uint64_t group);  // a delivered group was lost; a leased one stays leased
  void Erase(uint64_t group);    // consumed

  bool Contains(uint64_t group) const { return entries_.contains(group); }
  bool Delivered(uint64_t group) const;
  size_t queued() const { return queued_.size(); }
  size_t leased() const;

  // Undelivered groups in [first, end) by who plays them; "" for those that nobody plays.
  std::map<std::string, std::vector<uint64_t>> Outstanding(uint64_t first, uint64_t end) const;

 private:
  struct Entry {
    v1::Assignment assignment;
    std::string actor;  // empty: queued, unless delivered
    bool delivered = false;
  };
  std::map<uint64_t, Entry> entries_;
  std::set<uint64_t> queued_;
};

}  // namespace sojourn::coordinator

#endif  // SOJOURN_COORDINATOR_ASSIGNMENT_QUEUE_H_
