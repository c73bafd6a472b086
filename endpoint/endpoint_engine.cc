#include "endpoint/endpoint_engine.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/suggest.h"

namespace sojourn::endpoint {
namespace {

constexpr absl::Duration kLongestStep = absl::Milliseconds(100);
constexpr int kMostMalformed = 3;  // answers to one request

absl::Status Named(const std::string& address, const absl::Status& error) {
  return absl::Status(error.code(), absl::StrCat("endpoint ", address, ": ", error.message()));
}

}  // namespace

void Trouble::Set(const std::string& text) {
  std::lock_guard lock(mu_);
  if (text_.empty()) since_ = absl::Now();
  text_ = text;
}

void Trouble::Clear() {
  std::lock_guard lock(mu_);
  text_.clear();
}

std::pair<std::string, absl::Duration> Trouble::Get() const {
  std::lock_guard lock(mu_);
  if (text_.empty()) return {};
  return {text_, absl::Now() - since_};
}

absl::StatusOr<std::string> BaseUrl(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t host = scheme == url.npos ? url.npos : scheme + 3;
  if ((!absl::StartsWith(url, "http://") && !absl::StartsWith(url, "https://")) ||
      host == url.size() || url.find_first_of(" \t\r\n?#") != url.npos) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", url, "\" is no endpoint; expected http://HOST:PORT or http://HOST:PORT/v1"));
  }
  std::string base = url;
  while (base.size() > host && base.back() == '/') base.pop_back();
  if (base.size() == host) return BaseUrl(base);  // no host: refused above
  if (base.find('/', host) == base.npos) base += "/v1";
  return base;
}

absl::StatusOr<EndpointModel> FindModel(const std::string& url, const std::string& model,
                                        const HttpOptions& http) {
  const auto base = BaseUrl(url);
  if (!base.ok()) return base.status();
  const std::string address = *base + "/models";
  HttpTransfers transfers(http);
  transfers.Get(0, address);
  std::vector<HttpAnswer> answers;
  while (answers.empty()) answers = transfers.Poll(kLongestStep);
  const HttpAnswer& answer = answers[0];
  if (!answer.status.ok()) return Named(address, answer.status);
  if (answer.code != 200) return Named(address, ErrorOf(answer.code, answer.body));
  const auto models = ParseModels(answer.body);
  if (!models.ok()) return Named(address, models.status());
  std::vector<std::string> names;
  for (const EndpointModel& one : *models) {
    if (one.name == model || (model.empty() && models->size() == 1)) return one;
    names.push_back(one.name);
  }
  const std::string has =
      names.empty() ? "it has none" : absl::StrCat("it has: ", absl::StrJoin(names, ", "));
  if (model.empty()) return Named(address, absl::NotFoundError(absl::StrCat("which model? ", has)));
  return Named(address, absl::NotFoundError(absl::StrCat("no model \"", model, "\"; ", has,
                                                         Suggest(model, names))));
}

struct EndpointEngine::Episode {
  std::vector<int32_t> tokens;  // or, with messages:
  std::vector<policy::Message> messages;
  int64_t context_tokens = 0;  // as the endpoint counted them last
  policy::ResponseRequest request;
  // Of the request:
  bool under_way = false;
  Dialect dialect = Dialect::kTokenIds;
  int malformed = 0;
  std::optional<absl::Time> first_failure;
  std::optional<Backoff> backoff;
};

EndpointEngine::EndpointEngine(EndpointOptions options)
    : options_(std::move(options)),
      address_(absl::StrCat(*BaseUrl(options_.url),
                            options_.messages ? "/chat/completions" : "/completions")),
      transfers_(options_.http) {}

EndpointEngine::~EndpointEngine() = default;

absl::StatusOr<std::unique_ptr<EndpointEngine>> EndpointEngine::Create(EndpointOptions options) {
  if (const auto base = BaseUrl(options.url); !base.ok()) return base.status();
  if (options.connections < 1) return absl::InvalidArgumentError("an endpoint needs a connection");
  return std::unique_ptr<EndpointEngine>(new EndpointEngine(std::move(options)));
}

absl::Status EndpointEngine::SetModel(std::shared_ptr<const policy::Model>, policy::CachePolicy) {
  return absl::FailedPreconditionError("an endpoint's model cannot be set from here");
}

absl::StatusOr<std::vector<int64_t>> EndpointEngine::OpenGroup(absl::Span<const int32_t> prompt,
                                                               int n) {
  std::vector<int64_t> ids;
  for (int i = 0; i < n; ++i) {
    ids.push_back(next_id_);
    episodes_[next_id_++].tokens.assign(prompt.begin(), prompt.end());
  }
  return ids;
}

void EndpointEngine::Close(int64_t id) {
  transfers_.Cancel(id);
  std::erase_if(waiting_, [&](const auto& entry) { return entry.second == id; });
  std::erase_if(full_, [&](const policy::Response& response) { return response.episode == id; });
  episodes_.erase(id);
}

int64_t EndpointEngine::context_tokens(int64_t id) const {
  const Episode& episode = episodes_.at(id);
  return options_.messages ? episode.context_tokens : static_cast<int64_t>(episode.tokens.size());
}

policy::EngineStats EndpointEngine::stats() const {
  policy::EngineStats stats = stats_;
  stats.running = static_cast<int64_t>(transfers_.size());
  stats.waiting = static_cast<int64_t>(waiting_.size());
  return stats;
}

absl::Status EndpointEngine::Respond(int64_t id, policy::ResponseRequest request) {
  const auto found = episodes_.find(id);
  if (found == episodes_.end()) return absl::NotFoundError(absl::StrCat("no episode ", id));
  Episode& episode = found->second;
  if (episode.under_way) {
    return absl::FailedPreconditionError("the episode's last response is still under way");
  }
  episode.tokens.insert(episode.tokens.end(), request.prompt.begin(), request.prompt.end());
  episode.messages.insert(episode.messages.end(), request.messages.begin(), request.messages.end());
  if (context_tokens(id) >= options_.max_context_tokens) {
    const absl::Status full = absl::OutOfRangeError(
        absl::StrCat("the conversation has ", context_tokens(id), " tokens of ",
                     options_.max_context_tokens, ": there is no room for a response"));
    if (!options_.messages) return full;
    policy::Response& response = full_.emplace_back();  // the caller cannot count these tokens
    response.episode = id;
    response.status = full;
    return absl::OkStatus();
  }
  episode.backoff.emplace(request.key.With("pauses"), options_.backoff);
  episode.request = std::move(request);
  episode.under_way = true;
  episode.malformed = 0;
  episode.first_failure.reset();
  waiting_.emplace(absl::InfinitePast(), id);
  return absl::OkStatus();
}

void EndpointEngine::Ask(int64_t id, Episode& episode) {
  const policy::ResponseRequest& wanted = episode.request;
  CompletionRequest request;
  request.model = options_.model;
  request.dialect = episode.dialect = dialect_;
  request.sampling = wanted.sampling;
  const int64_t room = options_.max_context_tokens - context_tokens(id);
  request.max_tokens = static_cast<int>(std::min<int64_t>(wanted.max_tokens, room));
  request.seed = wanted.key.With("seed").value() >> 33;  // fits any server's type
  if (!options_.messages) request.stop_tokens = wanted.stop_tokens;
  transfers_.Post(id, address_,
                  options_.messages ? MessagesBody(request, episode.messages)
                                    : TokensBody(request, episode.tokens));
}

absl::Status EndpointEngine::Understand(const HttpAnswer& answer, Episode& episode,
                                        policy::Response& response) {
  if (!answer.status.ok()) return answer.status;
  if (answer.code != 200) return ErrorOf(answer.code, answer.body);
  auto completion = ParseCompletion(answer.body, options_.messages);
  if (!completion.ok()) return completion.status();
  response.stopped = completion->stopped;
  if (completion->completion_tokens > episode.request.max_tokens) {
    return absl::DataLossError(absl::StrCat("malformed answer: ", completion->completion_tokens,
                                            " tokens, when at most ", episode.request.max_tokens,
                                            " were asked for"));
  }
  if (!completion->tokens.has_value() && dialect_ < Dialect::kText) {
    // Others may have learned it meanwhile.
    if (episode.dialect == dialect_)
      dialect_ = static_cast<Dialect>(static_cast<int>(dialect_) + 1);
    return absl::AbortedError("no token ids");
  }
  stats_.prompt_tokens += completion->prompt_tokens;
  stats_.decoded_tokens += completion->completion_tokens;
  if (options_.messages) {
    response.text = std::move(completion->text);
    response.text_tokens = completion->completion_tokens;
    if (completion->tokens.has_value()) response.tokens = *std::move(completion->tokens);
    episode.messages.push_back({"assistant", response.text});
    episode.context_tokens = completion->prompt_tokens + completion->completion_tokens;
    return absl::OkStatus();
  }
  if (!completion->tokens.has_value()) {
    return absl::FailedPreconditionError(
        "it tells no token ids, neither for \"return_token_ids\" nor with log-probabilities; use "
        "vLLM, SGLang or "
        "`sojourn serve-model`, or leave the tokenizer out: conversations then go as messages");
  }
  response.tokens = *std::move(completion->tokens);
  // A server may leave out the token that ended the turn; the conversation needs it.
  const std::vector<int32_t>& stops = episode.request.stop_tokens;
  const auto ends_turn = [&](int32_t token) {
    return std::find(stops.begin(), stops.end(), token) != stops.end();
  };
  if (response.stopped && !stops.empty() &&
      (response.tokens.empty() || !ends_turn(response.tokens.back()))) {
    const int32_t by = completion->stop_token.value_or(-1);
    response.tokens.push_back(ends_turn(by) ? by : stops.front());
  }
  if (response.tokens.empty()) return absl::DataLossError("malformed answer: no tokens");
  episode.tokens.insert(episode.tokens.end(), response.tokens.begin(), response.tokens.end());
  return absl::OkStatus();
}

bool EndpointEngine::TryAgain(int64_t id, Episode& episode, const HttpAnswer& answer,
                              const absl::Status& error) {
  if (absl::IsAborted(error)) {  // asked in another way
    waiting_.emplace(absl::InfinitePast(), id);
    return true;
  }
  if (dialect_ < Dialect::kText && Refuses(episode.dialect, error)) {
    if (episode.dialect == dialect_)
      dialect_ = static_cast<Dialect>(static_cast<int>(dialect_) + 1);
    waiting_.emplace(absl::InfinitePast(), id);
    return true;
  }
  const absl::Time now = absl::Now();
  if (!episode.first_failure.has_value()) episode.first_failure = now;
  const bool malformed = absl::IsDataLoss(error);
  if (malformed && ++episode.malformed >= kMostMalformed) return false;
  if (!malformed && !absl::IsUnavailable(error) && !absl::IsDeadlineExceeded(error)) return false;
  const absl::Duration left = options_.patience - (now - *episode.first_failure);
  if (left <= absl::ZeroDuration()) return false;
  const absl::Duration pause =
      std::min(left, std::max(episode.backoff->Next(), answer.retry_after));
  if (options_.trouble != nullptr) {
    options_.trouble->Set(absl::StrCat("the endpoint ", address_, ": ", error.message()));
  }
  waiting_.emplace(now + pause, id);
  return true;
}

absl::StatusOr<std::vector<policy::Response>> EndpointEngine::Step() {
  const absl::Time now = absl::Now();
  const auto has_room = [&] {
    return transfers_.size() < static_cast<size_t>(options_.connections);
  };
  while (!waiting_.empty() && waiting_.begin()->first <= now && has_room()) {
    const int64_t id = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    Ask(id, episodes_.at(id));
  }
  std::vector<policy::Response> responses = std::exchange(full_, {});
  absl::Duration longest = responses.empty() ? kLongestStep : absl::ZeroDuration();
  if (!waiting_.empty() && has_room()) {
    longest = std::clamp(waiting_.begin()->first - now, absl::ZeroDuration(), longest);
  }
  if (waiting_.empty() && transfers_.size() == 0) return responses;
  for (const HttpAnswer& answer : transfers_.Poll(longest)) {
    Episode& episode = episodes_.at(answer.id);
    policy::Response response;
    response.episode = answer.id;
    const absl::Status understood = Understand(answer, episode, response);
    if (understood.ok()) {
      if (options_.trouble != nullptr) options_.trouble->Clear();
    } else if (TryAgain(answer.id, episode, answer, understood)) {
      continue;
    } else {
      const absl::Status named = Named(address_, understood);
      const bool waited = absl::IsUnavailable(named) || absl::IsDeadlineExceeded(named);
      response.status =
          waited ? absl::Status(named.code(), absl::StrCat(named.message(), "; given up after ",
                                                           absl::FormatDuration(absl::Trunc(
                                                               absl::Now() - *episode.first_failure,
                                                               absl::Milliseconds(1)))))
                 : named;
    }
    episode.under_way = false;
    responses.push_back(std::move(response));
  }
  return responses;
}

}  // namespace sojourn::endpoint
