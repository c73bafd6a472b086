// Two-way gRPC streams over the callback API: no thread per stream, writes from any thread.
//
//   BidiClient<Request, Response>   the calling end
//   BidiServer<Request, Response>   the answering end
//
// Both keep a bounded queue of messages to write, call `on_read` for one message at a time, in
// order, and `on_done` once and last. Handlers run on gRPC's threads: they must not block. They may
// call Write, Finish and Cancel of their own stream.
//
// Mutexes are std::mutex, not absl::Mutex: ThreadSanitizer sees those in an uninstrumented Abseil
// too.
#ifndef SOJOURN_COMMON_BIDI_STREAM_H_
#define SOJOURN_COMMON_BIDI_STREAM_H_

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/grpc_status.h"

namespace sojourn {

struct BidiOptions {
  size_t max_queued = 1024;                           // messages waiting to be written
  absl::Duration timeout = absl::InfiniteDuration();  // of the whole stream (client)
};

// The calling end. Destroying it cancels the stream and waits for on_done, so no handler runs
// after; therefore it must not be destroyed by one of its own handlers.
template <typename Request, typename Response>
class BidiClient {
 public:
  using Reactor = grpc::ClientBidiReactor<Request, Response>;
  // Starts the call: [&](auto* context, auto* reactor) { stub->async()->Act(context, reactor); }.
  // The stub must outlive the stream.
  using Starter = std::function<void(grpc::ClientContext*, Reactor*)>;
  struct Handlers {
    std::function<void(Response)> on_read;
    std::function<void(const absl::Status&)> on_done;  // how the stream ended
  };

  BidiClient(const Starter& start, Handlers handlers, BidiOptions options = {})
      : stream_(std::make_shared<Stream>(std::move(handlers), options.max_queued)) {
    stream_->Run(start, stream_, options.timeout);
  }
  ~BidiClient() {
    Cancel();
    stream_->WaitDone(absl::InfiniteDuration());  // a cancelled call always ends
  }
  BidiClient(const BidiClient&) = delete;
  BidiClient& operator=(const BidiClient&) = delete;

  // Queues a message. Waits up to `wait` for room; ResourceExhausted when there is none.
  // Unavailable when the stream is over or Finish was called. A queued message can still be lost
  // with the stream: who needs to know asks the peer to acknowledge.
  absl::Status Write(Request message, absl::Duration wait = absl::ZeroDuration()) {
    return stream_->Write(std::move(message), wait);
  }
  // No more writes: the peer sees the end of this half after what is queued. Returns at once.
  void Finish() { stream_->Finish(); }
  void Cancel() { stream_->Cancel(); }
  bool WaitDone(absl::Duration timeout) {
    return stream_->WaitDone(timeout);
  }  // true: on_done has run

 private:
  class Stream : public Reactor {
   public:
    Stream(Handlers handlers, size_t max_queued)
        : handlers_(std::move(handlers)), max_queued_(max_queued) {}

    void Run(const Starter& start, std::shared_ptr<Stream> self, absl::Duration timeout) {
      self_ = std::move(self);
      if (timeout != absl::InfiniteDuration()) {
        context_.set_deadline(std::chrono::system_clock::now() +
                              absl::ToChronoNanoseconds(timeout));
      }
      start(&context_, this);
      this->AddHold();  // for writes that come from outside handlers
      this->StartRead(&incoming_);
      this->StartCall();
    }

    absl::Status Write(Request message, absl::Duration wait) {
      {
        std::unique_lock lock(mu_);
        const auto ready = [&] { return over_ || finishing_ || queue_.size() < max_queued_; };
        if (!ready() && wait > absl::ZeroDuration()) {
          changed_.wait_for(lock, absl::ToChronoMilliseconds(wait), ready);
        }
        if (over_ || finishing_) return absl::UnavailableError("the stream is over");
        if (queue_.size() >= max_queued_) {
          return absl::ResourceExhaustedError(
              absl::StrCat("the stream's queue holds ", max_queued_, " messages already"));
        }
        queue_.push_back(std::move(message));
        if (writing_) return absl::OkStatus();
        writing_ = true;
      }
      this->StartWrite(&queue_.front());  // the deque's front stays where it is
      return absl::OkStatus();
    }

    void Finish() {
      std::unique_lock lock(mu_);
      if (finishing_ || over_) return;
      finishing_ = true;
      changed_.notify_all();
      if (!writing_) EndWrites(lock);
    }

    void Cancel() { context_.TryCancel(); }

    bool WaitDone(absl::Duration timeout) {
      std::unique_lock lock(mu_);
      const auto done = [&] { return done_; };
      if (timeout == absl::InfiniteDuration()) {
        changed_.wait(lock, done);
        return true;
      }
      return changed_.wait_for(lock, absl::ToChronoMilliseconds(timeout), done);
    }

   private:
    void OnReadDone(bool ok) override {
      if (ok) {
        if (handlers_.on_read) handlers_.on_read(std::move(incoming_));
        incoming_.Clear();
        this->StartRead(&incoming_);
        return;
      }
      std::unique_lock lock(mu_);
      over_ = true;
      changed_.notify_all();
      if (!writing_) EndWrites(lock);
    }

    void OnWriteDone(bool ok) override {
      {
        std::unique_lock lock(mu_);
        queue_.pop_front();
        changed_.notify_all();
        over_ |= !ok;
        if (over_ || queue_.empty()) {
          writing_ = false;
          if (over_ || finishing_) EndWrites(lock);
          return;
        }
      }
      this->StartWrite(&queue_.front());
    }

    // Nothing is being written and nothing will be: lets go of the hold, once.
    void EndWrites(std::unique_lock<std::mutex>& lock) {
      if (!held_) return;
      held_ = false;
      const bool half_close = !over_;
      lock.unlock();
      if (half_close) this->StartWritesDone();
      this->RemoveHold();
      lock.lock();
    }

    void OnDone(const grpc::Status& status) override {
      if (handlers_.on_done) handlers_.on_done(FromGrpcStatus(status));
      handlers_ = {};
      const std::shared_ptr<Stream> self =
          std::move(self_);  // freed here, unless its owner still waits
      std::lock_guard lock(mu_);
      over_ = done_ = true;
      changed_.notify_all();
    }

    Handlers handlers_;
    const size_t max_queued_;
    grpc::ClientContext context_;
    Response incoming_;
    std::shared_ptr<Stream> self_;  // until OnDone

    std::mutex mu_;  // guards what follows
    std::condition_variable changed_;
    std::deque<Request> queue_;  // the front one is being written if writing_
    bool writing_ = false, finishing_ = false, over_ = false, held_ = true, done_ = false;
  };

  const std::shared_ptr<Stream> stream_;
};

// The answering end. Accept() is what a service's method returns; it owns itself until on_done, and
// whoever else keeps a shared_ptr may call it at any time.
template <typename Request, typename Response>
class BidiServer : public grpc::ServerBidiReactor<Request, Response> {
 public:
  struct Handlers {
    std::function<void(Request)> on_read;
    std::function<void()> on_half_close;  // the client will write no more; absent: Finish(OK)
    std::function<void()> on_done;        // the stream is over: finished by this end, or broken
  };
  using MakeHandlers = std::function<Handlers(std::shared_ptr<BidiServer>)>;

  // `make` is called at once. Handlers may keep the pointer that they are given: they are dropped
  // after on_done.
  static grpc::ServerBidiReactor<Request, Response>* Accept(grpc::CallbackServerContext* context,
                                                            const MakeHandlers& make,
                                                            BidiOptions options = {}) {
    std::shared_ptr<BidiServer> stream(new BidiServer(context, options.max_queued));
    stream->self_ = stream;
    stream->handlers_ = make(stream);
    stream->StartRead(&stream->incoming_);
    return stream.get();
  }

  // As BidiClient::Write, but never waits.
  absl::Status Write(Response message) {
    {
      std::lock_guard lock(mu_);
      if (over_ || finishing_) return absl::UnavailableError("the stream is over");
      if (queue_.size() >= max_queued_) {
        return absl::ResourceExhaustedError(
            absl::StrCat("the stream's queue holds ", max_queued_, " messages already"));
      }
      queue_.push_back(std::move(message));
      if (writing_) return absl::OkStatus();
      writing_ = true;
    }
    this->StartWrite(&queue_.front());
    return absl::OkStatus();
  }

  // Ends the stream with `status` after what is queued is written. Only the first call counts.
  void Finish(const absl::Status& status) {
    std::unique_lock lock(mu_);
    if (finishing_ || over_) return;
    finishing_ = true;
    status_ = status;
    FinishIfIdle(lock);
  }

  // Ends the stream now: what is queued is dropped; the client sees CANCELLED.
  void Cancel() {
    std::unique_lock lock(mu_);
    if (over_ || finished_) return;
    over_ = true;
    busy_ = true;  // keeps the context alive while it is used
    lock.unlock();
    context_->TryCancel();
    lock.lock();
    busy_ = false;
    FinishIfIdle(lock);
  }

  std::string peer() const { return peer_; }

 private:
  BidiServer(grpc::CallbackServerContext* context, size_t max_queued)
      : max_queued_(max_queued), context_(context), peer_(context->peer()) {}

  void OnReadDone(bool ok) override {
    if (ok) {
      if (handlers_.on_read) handlers_.on_read(std::move(incoming_));
      incoming_.Clear();
      this->StartRead(&incoming_);
      return;
    }
    if (context_->IsCancelled()) return Break();
    if (handlers_.on_half_close) {
      handlers_.on_half_close();
    } else {
      Finish(absl::OkStatus());
    }
  }

  void OnWriteDone(bool ok) override {
    {
      std::unique_lock lock(mu_);
      queue_.pop_front();
      over_ |= !ok;
      if (over_ || queue_.empty()) {
        writing_ = false;
        FinishIfIdle(lock);
        return;
      }
    }
    this->StartWrite(&queue_.front());
  }

  void OnCancel() override { Break(); }

  void Break() {
    std::unique_lock lock(mu_);
    over_ = true;
    FinishIfIdle(lock);
  }

  // gRPC frees the stream only after Finish, and Finish must not overtake a write.
  void FinishIfIdle(std::unique_lock<std::mutex>& lock) {
    if (finished_ || writing_ || busy_ || !(over_ || finishing_)) return;
    finished_ = true;
    const grpc::Status status = over_ ? grpc::Status::CANCELLED : ToGrpcStatus(status_);
    lock.unlock();
    grpc::ServerBidiReactor<Request, Response>::Finish(status);
    lock.lock();
  }

  void OnDone() override {
    {
      std::lock_guard lock(mu_);
      over_ = true;
    }
    if (handlers_.on_done) handlers_.on_done();
    handlers_ = {};
    const std::shared_ptr<BidiServer> self = std::move(self_);
  }

  Handlers handlers_;
  const size_t max_queued_;
  grpc::CallbackServerContext* const context_;  // valid until finished_
  const std::string peer_;
  Request incoming_;
  std::shared_ptr<BidiServer> self_;  // until OnDone

  std::mutex mu_;               // guards what follows
  std::deque<Response> queue_;  // the front one is being written if writing_
  absl::Status status_;
  bool writing_ = false, finishing_ = false, over_ = false, busy_ = false, finished_ = false;
};

}  // namespace sojourn

#endif  // SOJOURN_COMMON_BIDI_STREAM_H_
