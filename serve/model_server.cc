#include "serve/model_server.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <list>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "serve/stop_strings.h"

namespace sojourn::serve {
namespace {

// What the engine's thread and the caller share of one request.
class Mailbox {
 public:
  explicit Mailbox(int choices) : unfinished_(choices) {}

  void Put(Piece piece) {
    absl::MutexLock lock(&mutex_);
    if (piece.finish.has_value()) --unfinished_;
    const auto [at, fresh] = pieces_.try_emplace(piece.choice);
    Piece& all = at->second;
    if (fresh) {
      all = std::move(piece);
      return;
    }
    all.cached_tokens += piece.cached_tokens;
    all.text += piece.text;
    std::move(piece.tokens.begin(), piece.tokens.end(), std::back_inserter(all.tokens));
    all.finish = std::move(piece.finish);
  }
  void Fail(absl::Status status) {
    absl::MutexLock lock(&mutex_);
    status_.Update(std::move(status));
    over_ = true;
  }
  void Cancel() { over_ = true; }
  bool over() const { return over_; }  // failed or cancelled: nobody waits for more

  absl::StatusOr<std::vector<Piece>> Take(absl::Time deadline) {
    absl::MutexLock lock(&mutex_);
    if (pieces_.empty() && unfinished_ == 0) return absl::OutOfRangeError("the answer is complete");
    const auto something = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return !pieces_.empty() || !status_.ok();
    };
    mutex_.AwaitWithDeadline(absl::Condition(&something), deadline);
    if (!status_.ok()) return status_;
    std::vector<Piece> pieces;
    for (auto& [choice, piece] : pieces_) pieces.push_back(std::move(piece));
    pieces_.clear();
    return pieces;
  }

 private:
  absl::Mutex mutex_;
  std::map<int, Piece> pieces_ ABSL_GUARDED_BY(mutex_);
  int unfinished_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> over_ = false;
};

class MailboxGeneration : public Generation {
 public:
  explicit MailboxGeneration(std::shared_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}
  ~MailboxGeneration() override { mailbox_->Cancel(); }
  absl::StatusOr<std::vector<Piece>> Next(absl::Time deadline) override {
    return mailbox_->Take(deadline);
  }

 private:
  const std::shared_ptr<Mailbox> mailbox_;
};

// One prompt of a request, and its n choices: what begins together.
struct Group {
  std::shared_ptr<const GenerationRequest> request;
  std::shared_ptr<Mailbox> mailbox;
  int prompt = 0;
};

// A choice under way. Only the engine's thread knows it.
struct Choice {
  std::shared_ptr<const GenerationRequest> request;
  std::shared_ptr<Mailbox> mailbox;
  int index = 0;
  int64_t episode = 0;
  size_t taken = 0;           // tokens of the response that are in pieces
  int64_t cached_tokens = 0;  // of the prompt
  policy::StreamDecoder characters;
  StopStrings stops;
  std::string text;  // that is not in pieces yet
};

// A conversation that waits for its next turn.
struct Kept {
  int64_t episode = 0;
  std::vector<int32_t> tokens;
};

class EngineThread : public ModelServer {
 public:
  EngineThread(std::unique_ptr<policy::Engine> engine, const policy::Tokenizer& tokenizer,
               const ModelServerOptions& options)
      : options_(options), tokenizer_(tokenizer), engine_(std::move(engine)) {
    thread_ = std::thread([this] { Run(); });
  }
  ~EngineThread() override {
    Stop();
    thread_.join();
  }

  absl::StatusOr<std::unique_ptr<Generation>> Submit(GenerationRequest request) override;
  void Stop() override {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  ModelServerStats stats() const override {
    absl::MutexLock lock(&mutex_);
    return stats_;
  }

 private:
  void Run();
  // Waits for work. The groups that can begin now, in their order; false: stop.
  bool WaitForWork(std::vector<Group>& groups);
  void Begin(const Group& group);
  // The kept conversation that most of the prompt goes on from, if there is one.
  std::optional<Kept> TakeKept(absl::Span<const int32_t> prompt);
  // The choice's response is complete: its episode is kept, or closed.
  void Leave(const Choice& choice, const policy::Response& response);
  void DropThoseOver();
  // The engine's stop function: true when the choice's text has a stop string.
  static bool HearToken(Choice& choice, int32_t token);
  // Delivers what is new of the choice.
  void TakeNew(Choice& choice, const policy::Response& response, bool complete);

  const ModelServerOptions options_;
  const policy::Tokenizer& tokenizer_;
  const std::unique_ptr<policy::Engine> engine_;
  std::list<Choice> live_;
  std::list<Kept> kept_;  // the longest kept first

  mutable absl::Mutex mutex_;
  std::deque<Group> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  ModelServerStats stats_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<Generation>> EngineThread::Submit(GenerationRequest request) {
  if (request.prompts.empty()) return absl::InvalidArgumentError("no prompt");
  if (request.n < 1 || request.n > options_.slots) {
    return absl::InvalidArgumentError(absl::StrCat("n: ", request.n,
                                                   " choices, but the server has ", options_.slots,
                                                   " slots and decodes them all at once"));
  }
  const int prompts = static_cast<int>(request.prompts.size());
  if (prompts > options_.max_queued) {
    return absl::InvalidArgumentError(absl::StrCat(
        prompts, " prompts in one request, but the queue holds ", options_.max_queued));
  }
  auto shared = std::make_shared<const GenerationRequest>(std::move(request));
  auto mailbox = std::make_shared<Mailbox>(prompts * shared->n);
  absl::MutexLock lock(&mutex_);
  if (stopping_) return absl::UnavailableError("the server is stopping");
  if (static_cast<int>(queue_.size()) + prompts > options_.max_queued) {
    return absl::ResourceExhaustedError(absl::StrCat("the server is busy: ", queue_.size(),
                                                     " prompts wait, and the queue holds ",
                                                     options_.max_queued, "; try again later"));
  }
  for (int prompt = 0; prompt < prompts; ++prompt) queue_.push_back({shared, mailbox, prompt});
  stats_.queued = static_cast<int>(queue_.size());
  return std::make_unique<MailboxGeneration>(std::move(mailbox));
}

bool EngineThread::WaitForWork(std::vector<Group>& groups) {
  absl::MutexLock lock(&mutex_);
  const bool busy = !live_.empty();
  stats_.engine = engine_->stats();
  stats_.running = static_cast<int>(live_.size());
  const auto work = [this, busy]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return busy || stopping_ || !queue_.empty();
  };
  mutex_.Await(absl::Condition(&work));
  if (stopping_) return false;
  std::erase_if(queue_, [](const Group& group) { return group.mailbox->over(); });
  int free = options_.slots - static_cast<int>(live_.size());
  while (!queue_.empty() && queue_.front().request->n <= free) {
    free -= queue_.front().request->n;
    groups.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  stats_.queued = static_cast<int>(queue_.size());
  return true;
}

std::optional<Kept> EngineThread::TakeKept(absl::Span<const int32_t> prompt) {
  auto best = kept_.end();
  for (auto kept = kept_.begin(); kept != kept_.end(); ++kept) {
    const size_t size = kept->tokens.size();
    if (size < prompt.size() && (best == kept_.end() || size > best->tokens.size()) &&
        std::equal(kept->tokens.begin(), kept->tokens.end(), prompt.begin())) {
      best = kept;
    }
  }
  if (best == kept_.end()) return std::nullopt;
  std::optional<Kept> taken = std::move(*best);
  kept_.erase(best);
  return taken;
}

void EngineThread::Leave(const Choice& choice, const policy::Response& response) {
  const auto& prompt = choice.request->prompts[choice.index / choice.request->n];
  // Of several answers to one prompt, a next turn goes on from at most one.
  if (options_.max_kept == 0 || choice.request->n > 1) return engine_->Close(choice.episode);
  Kept kept{choice.episode, prompt};
  kept.tokens.insert(kept.tokens.end(), response.tokens.begin(), response.tokens.end());
  kept_.push_back(std::move(kept));
  if (static_cast<int>(kept_.size()) > options_.max_kept) {
    engine_->Close(kept_.front().episode);
    kept_.pop_front();
  }
}

void EngineThread::Begin(const Group& group) {
  const GenerationRequest& request = *group.request;
  const std::vector<int32_t>& prompt = request.prompts[group.prompt];
  std::vector<int64_t> episodes;
  int64_t cached_tokens = 0;
  if (request.n == 1) {
    if (const auto kept = TakeKept(prompt)) {
      episodes = {kept->episode};
      cached_tokens = static_cast<int64_t>(kept->tokens.size());
    }
  }
  if (episodes.empty()) {
    auto opened = engine_->OpenGroup(prompt, request.n);
    if (!opened.ok()) return group.mailbox->Fail(opened.status());
    episodes = *std::move(opened);
  }
  for (int i = 0; i < request.n; ++i) {
    Choice& choice = live_.emplace_back(Choice{.request = group.request,
                                               .mailbox = group.mailbox,
                                               .index = group.prompt * request.n + i,
                                               .episode = episodes[i],
                                               .cached_tokens = cached_tokens,
                                               .characters = tokenizer_.Stream(),
                                               .stops = StopStrings(request.stop)});
    policy::ResponseRequest wanted;
    if (cached_tokens > 0) wanted.prompt.assign(prompt.begin() + cached_tokens, prompt.end());
    wanted.sampling = request.sampling;
    wanted.max_tokens = request.max_tokens;
    wanted.stop_tokens = request.stop_tokens;
    wanted.key = RandomKey(request.seed).With(choice.index);
    wanted.alternatives = request.top_logprobs;
    // A choice stays where it is in the list, and its response ends before it does.
    wanted.stop = [&choice](int32_t token) { return HearToken(choice, token); };
    const absl::Status asked = engine_->Respond(choice.episode, std::move(wanted));
    if (!asked.ok()) group.mailbox->Fail(asked);
  }
}

void EngineThread::DropThoseOver() {
  std::erase_if(live_, [this](const Choice& choice) {
    if (!choice.mailbox->over()) return false;
    engine_->Close(choice.episode);
    return true;
  });
}

bool EngineThread::HearToken(Choice& choice, int32_t token) {
  const auto& stop_tokens = choice.request->stop_tokens;
  if (std::find(stop_tokens.begin(), stop_tokens.end(), token) != stop_tokens.end()) return true;
  choice.text += choice.stops.Push(choice.characters.Add(token));
  return choice.stops.matched().has_value();
}

void EngineThread::TakeNew(Choice& choice, const policy::Response& response, bool complete) {
  if (choice.taken == response.tokens.size()) return;
  Piece piece{.choice = choice.index,
              .cached_tokens = choice.taken == 0 ? choice.cached_tokens : 0};
  const auto& logprobs = options_.processed_logprobs ? response.logprobs : response.model_logprobs;
  for (size_t& t = choice.taken; t < response.tokens.size(); ++t) {
    GeneratedToken token{.token = response.tokens[t], .logprob = logprobs[t]};
    if (!response.alternatives.empty()) token.top = response.alternatives[t];
    piece.tokens.push_back(std::move(token));
  }
  if (complete) {
    choice.text += choice.stops.Push(choice.characters.Finish());
    if (const auto& stop = choice.stops.matched()) {
      piece.finish = Finish{Finish::kStop, *stop};
    } else if (response.stopped) {
      piece.finish = Finish{Finish::kStop, response.tokens.back()};
    } else {
      piece.finish = Finish{Finish::kLength, {}};
    }
    choice.text += choice.stops.Flush();
  }
  piece.text = std::exchange(choice.text, "");
  choice.mailbox->Put(std::move(piece));
}

void EngineThread::Run() {
  for (std::vector<Group> groups; WaitForWork(groups); groups.clear()) {
    for (const Group& group : groups) Begin(group);
    DropThoseOver();
    if (live_.empty()) continue;
    const auto step = engine_->Step();
    if (!step.ok()) {
      for (Choice& choice : live_) choice.mailbox->Fail(step.status());
      DropThoseOver();
      continue;
    }
    std::map<int64_t, const policy::Response*> complete;
    for (const policy::Response& response : *step) complete[response.episode] = &response;
    std::erase_if(live_, [&](Choice& choice) {
      const auto found = complete.find(choice.episode);
      const bool is_complete = found != complete.end();
      const policy::Response* response = is_complete              ? found->second
                                         : choice.request->stream ? engine_->running(choice.episode)
                                                                  : nullptr;
      if (response != nullptr) TakeNew(choice, *response, is_complete);
      if (is_complete) Leave(choice, *response);
      return is_complete;
    });
  }
  const absl::Status stopping = absl::UnavailableError("the server is stopping");
  for (Choice& choice : live_) choice.mailbox->Fail(stopping);
  DropThoseOver();
  absl::MutexLock lock(&mutex_);
  for (Group& group : queue_) group.mailbox->Fail(stopping);
  queue_.clear();
  stats_.running = stats_.queued = 0;
}

}  // namespace

std::unique_ptr<ModelServer> ModelServer::Start(std::unique_ptr<policy::Engine> engine,
                                                const policy::Tokenizer& tokenizer,
                                                const ModelServerOptions& options) {
  return std::make_unique<EngineThread>(std::move(engine), tokenizer, options);
}

}  // namespace sojourn::serve
