#include "actor/trajectory_sender.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "common/rpc.h"

namespace sojourn::actor {

TrajectorySender::TrajectorySender(ActorMetrics& metrics, RandomKey jitter, Handlers handlers)
    : metrics_(metrics),
      jitter_(jitter),
      handlers_(std::move(handlers)),
      thread_([this] { Run(); }) {}

TrajectorySender::~TrajectorySender() {
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
  for (auto& [rank, link] : links_)
    link->stream.reset();  // waits for its handlers, which use the link
}

TrajectorySender::Link& TrajectorySender::LinkOf(uint32_t rank) {
  std::unique_ptr<Link>& link = links_[rank];
  if (link == nullptr) link.reset(new Link{.rank = rank, .backoff = Backoff(jitter_.With(rank))});
  return *link;
}

void TrajectorySender::SetLearners(const std::vector<std::string>& addresses) {
  std::lock_guard lock(mu_);
  for (uint32_t rank = 0; rank < addresses.size(); ++rank) {
    Link& link = LinkOf(rank);
    if (link.address == addresses[rank]) continue;
    link.address = addresses[rank];
    link.ended = true;
    link.retry_at = absl::InfinitePast();
    link.backoff.Reset();
  }
  work_ = true;
  changed_.notify_all();
}

void TrajectorySender::Send(uint32_t rank, v1::Trajectory trajectory) {
  const GroupKey key = KeyOf(trajectory.name());
  std::lock_guard lock(mu_);
  Group& group = groups_[key];
  group.size = trajectory.group_size();
  if (!group.members.insert(trajectory.member()).second) return;
  const uint32_t member = trajectory.member();
  LinkOf(rank).outbox[{key, member}] = {.trajectory = std::move(trajectory),
                                        .finished = absl::Now()};
  metrics_.unacknowledged.Increment();
  work_ = true;
  changed_.notify_all();
}

void TrajectorySender::Drop(const std::string& job_id, uint32_t arm) {
  const auto is_dropped = [&](const GroupKey& key) {
    return std::get<0>(key) == job_id && std::get<1>(key) == arm;
  };
  std::lock_guard lock(mu_);
  std::erase_if(groups_, [&](const auto& entry) { return is_dropped(entry.first); });
  for (auto& [rank, link] : links_) {
    metrics_.unacknowledged.Decrement(std::erase_if(
        link->outbox, [&](const auto& entry) { return is_dropped(entry.first.first); }));
  }
}

size_t TrajectorySender::unacknowledged() const {
  std::lock_guard lock(mu_);
  size_t count = 0;
  for (const auto& [rank, link] : links_) count += link->outbox.size();
  return count;
}

std::pair<std::string, absl::Duration> TrajectorySender::waiting_for() const {
  std::lock_guard lock(mu_);
  absl::Time oldest = absl::InfiniteFuture();
  const Link* slowest = nullptr;
  for (const auto& [rank, link] : links_) {
    for (const auto& [key, item] : link->outbox) {
      if (item.finished >= oldest) continue;
      oldest = item.finished;
      slowest = link.get();
    }
  }
  if (slowest == nullptr) return {"", absl::ZeroDuration()};
  return {absl::StrCat("learner rank ", slowest->rank, " (",
                       slowest->address.empty() ? "absent" : slowest->address,
                       ") to acknowledge trajectories"),
          absl::Now() - oldest};
}

void TrajectorySender::OnAck(uint32_t rank, v1::TrajectoryAck ack) {
  const GroupKey key = KeyOf(ack.name());
  bool delivered = false, refused = false;
  {
    std::lock_guard lock(mu_);
    Link& link = LinkOf(rank);
    const auto item = link.outbox.find({key, ack.member()});
    if (item == link.outbox.end()) return;  // acknowledged twice, or dropped
    metrics_.acknowledge_seconds.Observe(
        absl::ToDoubleSeconds(absl::Now() - item->second.finished));
    link.outbox.erase(item);
    metrics_.unacknowledged.Decrement();
    link.backoff.Reset();
    const auto group = groups_.find(key);
    if (group != groups_.end() && !ack.error().empty()) {
      refused = true;
      groups_.erase(group);
      metrics_.unacknowledged.Decrement(
          std::erase_if(link.outbox, [&](const auto& entry) { return entry.first.first == key; }));
    } else if (group != groups_.end() && ++group->second.acknowledged == group->second.size) {
      delivered = true;
      groups_.erase(group);
    }
    work_ = true;  // there may be room in the stream again
    changed_.notify_all();
  }
  if (refused) handlers_.refused(ack.name(), ack.error());
  if (delivered) handlers_.delivered(ack.name());
}

void TrajectorySender::Run() {
  std::unique_lock lock(mu_);
  while (!stopping_) {
    work_ = false;
    absl::Duration wait = absl::Seconds(1);
    for (auto& [rank, link] : links_) {  // links are never removed while the thread runs
      Tend(*link, lock);
      if (link->stream == nullptr && !link->outbox.empty() && !link->address.empty()) {
        wait = std::min(wait, link->retry_at - absl::Now());
      }
    }
    changed_.wait_for(lock, absl::ToChronoMilliseconds(std::max(wait, absl::Milliseconds(1))),
                      [&] { return stopping_ || work_; });
  }
}

// Opens, closes and feeds a link's stream.
void TrajectorySender::Tend(Link& link, std::unique_lock<std::mutex>& lock) {
  if (link.stream != nullptr && link.ended) {
    const std::unique_ptr<Client> old = std::move(link.stream);
    lock.unlock();  // its last handlers want the lock
    old->Cancel();
    old->WaitDone(absl::InfiniteDuration());  // a cancelled call always ends
    lock.lock();
    link.stub.reset();
  }
  if (link.stream == nullptr) {
    if (link.outbox.empty() || link.address.empty() || absl::Now() < link.retry_at) return;
    link.ended = false;
    link.retry_at =
        absl::Now() + link.backoff.Next();  // for the next one; an ack resets the pauses
    for (auto& [key, item] : link.outbox) item.sent = false;
    link.stub = v1::TrajectoryService::NewStub(MakeChannel(link.address));
    Client::Handlers handlers;
    handlers.on_read = [this, rank = link.rank](v1::TrajectoryAck ack) {
      OnAck(rank, std::move(ack));
    };
    handlers.on_done = [this, &link, address = link.address](const absl::Status& status) {
      if (!absl::IsCancelled(status)) {
        spdlog::info("the stream to learner rank {} ({}) ended: {}", link.rank, address,
                     status.ToString());
      }
      std::lock_guard done_lock(mu_);
      link.ended = work_ = true;
      changed_.notify_all();
    };
    auto start = [stub = link.stub.get()](grpc::ClientContext* context, Client::Reactor* reactor) {
      stub->async()->Stream(context, reactor);
    };
    lock.unlock();
    auto stream =
        std::make_unique<Client>(start, std::move(handlers), BidiOptions{.max_queued = 64});
    lock.lock();
    link.stream = std::move(stream);
  }
  for (auto& [key, item] : link.outbox) {
    if (item.sent) continue;
    if (!link.stream->Write(item.trajectory).ok())
      return;  // full: an ack brings us back; over: on_done does
    if (item.sent_before) metrics_.resent_trajectories.Increment();
    item.sent = item.sent_before = true;
  }
}

}  // namespace sojourn::actor
