#include "coordinator/assignment_queue.h"

namespace sojourn::coordinator {

void AssignmentQueue::Add(const v1::Assignment& assignment) {
  const uint64_t group = assignment.name().group();
  if (entries_.try_emplace(group, Entry{assignment}).second) queued_.insert(group);
}

void AssignmentQueue::Clear() {
  entries_.clear();
  queued_.clear();
}

std::optional<v1::Assignment> AssignmentQueue::Lease(const std::string& actor) {
  if (queued_.empty()) return std::nullopt;
  const uint64_t group = *queued_.begin();
  Adopt(group, actor);
  return entries_.at(group).assignment;
}

bool AssignmentQueue::Adopt(uint64_t group, const std::string& actor) {
  if (queued_.erase(group) == 0) return false;
  entries_.at(group).actor = actor;
  return true;
}

size_t AssignmentQueue::Release(const std::string& actor) {
  size_t released = 0;
  for (auto& [group, entry] : entries_) {
    if (entry.delivered || entry.actor != actor) continue;
    entry.actor.clear();
    released += queued_.insert(group).second ? 1 : 0;
  }
  return released;
}

void AssignmentQueue::Deliver(uint64_t group) {
  const auto found = entries_.find(group);
  if (found == entries_.end()) return;
  found->second.delivered = true;
  found->second.actor.clear();
  queued_.erase(group);
}

void AssignmentQueue::Requeue(uint64_t group) {
  const auto found = entries_.find(group);
  if (found == entries_.end() || !found->second.delivered) return;
  found->second.delivered = false;
  queued_.insert(group);
}

void AssignmentQueue::Erase(uint64_t group) {
  entries_.erase(group);
  queued_.erase(group);
}

bool AssignmentQueue::Delivered(uint64_t group) const {
  const auto found = entries_.find(group);
  return found != entries_.end() && found->second.delivered;
}

size_t AssignmentQueue::leased() const {
  size_t count = 0;
  for (const auto& [group, entry] : entries_) count += entry.actor.empty() ? 0 : 1;
  return count;
}

std::map<std::string, std::vector<uint64_t>> AssignmentQueue::Outstanding(uint64_t first,
                                                                          uint64_t end) const {
  std::map<std::string, std::vector<uint64_t>> by_actor;
  for (auto it = entries_.lower_bound(first); it != entries_.end() && it->first < end; ++it) {
    if (!it->second.delivered) by_actor[it->second.actor].push_back(it->first);
  }
  return by_actor;
}

}  // namespace sojourn::coordinator
