#include "serve/openai_server.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/suggest.h"
#include "serve/api_error.h"
#include "serve/openai_response.h"

namespace sojourn::serve {
namespace {

constexpr char kJson[] = "application/json";
constexpr absl::Duration kSlice = absl::Milliseconds(100);  // how soon a client's leaving is seen
constexpr int kClientClosedRequest = 499;                   // as others log it; nobody reads it

constexpr std::string_view kModels = "/v1/models";

struct Endpoint {
  std::string_view path;
  const char* method;
};
constexpr Endpoint kEndpoints[] = {{"/health", "GET"},
                                   {kModels, "GET"},
                                   {"/v1/chat/completions", "POST"},
                                   {"/v1/completions", "POST"}};

uint64_t RandomBits() {
  thread_local std::random_device device;
  return uint64_t{device()} << 32 | device();
}

// An answer under way: its pieces as they come, until its deadline, its end or its client's.
class Answer {
 public:
  Answer(AnswerContext context, GenerationRequest& request, const policy::Tokenizer& tokenizer,
         absl::Duration timeout, std::shared_ptr<void> entered)
      : entered_(std::move(entered)),
        context_(std::move(context)),
        left_(static_cast<int>(request.prompts.size()) * request.n),
        start_(absl::Now()),
        timeout_(timeout),
        writer_(context_, tokenizer) {}

  void Begin(std::unique_ptr<Generation> generation) { generation_ = std::move(generation); }

  // Cancelled when the client has gone.
  absl::StatusOr<std::vector<Piece>> Next() {
    for (;;) {
      const absl::Time now = absl::Now();
      if (now >= start_ + timeout_) {
        return absl::DeadlineExceededError(
            absl::StrCat("the answer is not complete after ", absl::FormatDuration(timeout_)));
      }
      auto pieces = generation_->Next(std::min(now + kSlice, start_ + timeout_));
      if (!pieces.ok()) return pieces.status();
      if (HttpServer::ClientGone()) return absl::CancelledError("the client has gone");
      if (pieces->empty()) continue;
      for (const Piece& piece : *pieces) {
        left_ -= piece.finish.has_value();
        tokens_ += piece.tokens.size();
      }
      return pieces;
    }
  }
  bool complete() const { return left_ == 0; }
  const AnswerContext& context() const { return context_; }
  AnswerWriter& writer() { return writer_; }
  int64_t tokens() const { return tokens_; }
  absl::Duration age() const { return absl::Now() - start_; }

 private:
  const std::shared_ptr<void> entered_;  // first, so that it ends last
  const AnswerContext context_;
  int left_;  // choices
  const absl::Time start_;
  const absl::Duration timeout_;
  AnswerWriter writer_;
  std::unique_ptr<Generation> generation_;
  int64_t tokens_ = 0;
};

class Server : public OpenAiServer {
 public:
  Server(ServedModel model, ModelServer& generator, Metrics& metrics, const OpenAiOptions& options)
      : model_(std::move(model)),
        generator_(generator),
        metrics_(metrics),
        options_(options),
        started_(absl::ToUnixSeconds(absl::Now())),
        tokens_(metrics.Counter("sojourn_serve_tokens_total", "Tokens of answers")),
        prompt_tokens_(metrics.Counter("sojourn_serve_prompt_tokens_total",
                                       "Prompt tokens of requests that were answered")),
        first_token_(metrics.Histogram("sojourn_serve_first_token_seconds",
                                       "From a streamed request's arrival to its first token",
                                       SecondsBuckets())),
        seconds_(metrics.Histogram("sojourn_serve_request_seconds",
                                   "From a request's arrival to its answer's end",
                                   SecondsBuckets())),
        http_(options.http) {
    Route();
  }
  ~Server() override { Stop(); }

  absl::Status Listen() {
    const auto port = http_.Start(options_.listen);
    if (!port.ok()) return port.status();
    port_ = *port;
    return absl::OkStatus();
  }
  int port() const override { return port_; }
  void Stop() override;

 private:
  void Route();
  std::string ModelPath() const { return absl::StrCat(kModels, "/", model_.name); }
  // Requests to other paths, or with other methods.
  absl::Status CheckEndpoint(const httplib::Request& request, int& http_status) const;
  void Post(bool chat, const httplib::Request& request, httplib::Response& response,
            const httplib::ContentReader& reader);
  void Reply(bool chat, std::string_view body, httplib::Response& response);
  // Stop waits for the end of what this returns; null when it has begun.
  std::shared_ptr<void> Enter();
  // The request in the model's terms.
  absl::Status Prepare(bool chat, std::string_view body, AnswerContext& context,
                       GenerationRequest& generation) const;
  absl::StatusOr<std::vector<int32_t>> EncodePrompt(const Prompt& prompt, bool add_special,
                                                    const std::string& name) const;
  absl::Status CheckLength(const std::vector<int32_t>& tokens, std::string_view parameter) const;
  absl::Status CheckTokens(const std::vector<int32_t>& tokens, std::string_view parameter) const;
  bool Stream(Answer& answer, std::vector<Piece> first, httplib::DataSink& sink);
  void Done(const Answer& answer, int http_status);
  void Error(const absl::Status& status, httplib::Response& response);

  const ServedModel model_;
  ModelServer& generator_;
  Metrics& metrics_;
  const OpenAiOptions options_;
  const int64_t started_;  // Unix seconds
  prometheus::Counter &tokens_, &prompt_tokens_;
  prometheus::Histogram &first_token_, &seconds_;

  mutable absl::Mutex mutex_;
  int answering_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<bool> stopping_ = false;  // set under the mutex
  int port_ = 0;
  HttpServer http_;
};

void Server::Error(const absl::Status& status, httplib::Response& response) {
  // A status that is set already says more than the error's code.
  if (response.status < 400) response.status = HttpStatus(status);
  if (response.status == 429 || response.status == 503) response.set_header("Retry-After", "1");
  response.set_content(ErrorBody(response.status, status), kJson);
}

absl::Status Server::CheckEndpoint(const httplib::Request& request, int& http_status) const {
  std::vector<std::string> paths;
  for (const Endpoint& endpoint : kEndpoints) {
    paths.emplace_back(endpoint.path);
    const bool one_model = endpoint.path == kModels && request.path == ModelPath();
    if (request.path != endpoint.path && !one_model) continue;
    if (request.method == endpoint.method) return absl::OkStatus();
    http_status = 405;
    return absl::InvalidArgumentError(
        absl::StrCat(request.path, " takes ", endpoint.method, ", not ", request.method));
  }
  http_status = 404;
  if (absl::StartsWith(request.path, absl::StrCat(kModels, "/"))) {
    return WithCode(absl::NotFoundError(absl::StrCat("no such model; this is \"", model_.name, "\"")),
                    "model_not_found");
  }
  return absl::NotFoundError(
      absl::StrCat("no such path: ", request.path, Suggest(request.path, paths)));
}

void Server::Route() {
  using httplib::ContentReader, httplib::Request, httplib::Response;
  http_.set_pre_routing_handler([this](const Request& request, Response& response) {
    int http_status = 0;
    const absl::Status found = CheckEndpoint(request, http_status);
    if (found.ok()) return httplib::Server::HandlerResponse::Unhandled;
    response.status = http_status;
    HttpServer::CloseAfter(response);  // a body is not read
    Error(found, response);
    return httplib::Server::HandlerResponse::Handled;
  });
  http_.Get("/health", [this](const Request&, Response& response) {
    if (stopping_) return Error(absl::UnavailableError("the server is stopping"), response);
    response.set_content(R"({"status":"ok"})", kJson);
  });
  http_.Get("/v1/models(/.*)?", [this](const Request& request, Response& response) {
    const auto body = request.path == kModels ? ModelsBody : ModelBody;
    response.set_content(body(model_.name, started_, model_.max_context_tokens), kJson);
  });
  for (const bool chat : {true, false}) {
    http_.Post(
        chat ? "/v1/chat/completions" : "/v1/completions",
        [this, chat](const Request& request, Response& response, const ContentReader& reader) {
          Post(chat, request, response, reader);
        });
  }
  // What httplib itself refuses: a malformed request line, headers too long.
  http_.set_error_handler(
      httplib::Server::HandlerWithResponse([this](const Request&, Response& response) {
        if (!response.body.empty()) return httplib::Server::HandlerResponse::Unhandled;
        HttpServer::CloseAfter(response);
        Error(absl::InvalidArgumentError("the request is not understood as HTTP/1.1"), response);
        return httplib::Server::HandlerResponse::Handled;
      }));
  http_.set_exception_handler([this](const Request&, Response& response, std::exception_ptr) {
    response.status = 500;
    HttpServer::CloseAfter(response);
    Error(absl::InternalError("the request could not be handled: out of memory?"), response);
  });
}

absl::Status Server::CheckLength(const std::vector<int32_t>& tokens,
                                 std::string_view parameter) const {
  if (static_cast<int64_t>(tokens.size()) < model_.max_context_tokens) return absl::OkStatus();
  return ParameterError(parameter,
                        absl::StrCat(tokens.size(), " tokens, but the context holds ",
                                     model_.max_context_tokens, " with one or more of the answer"),
                        "context_length_exceeded");
}

absl::Status Server::CheckTokens(const std::vector<int32_t>& tokens,
                                 std::string_view parameter) const {
  const int64_t size = model_.tokenizer->vocab_size();
  const auto unknown =
      std::find_if(tokens.begin(), tokens.end(), [&](int32_t token) { return token >= size; });
  if (unknown == tokens.end()) return absl::OkStatus();
  return ParameterError(parameter,
                        absl::StrCat("token ", *unknown, " is not in the vocabulary of ", size));
}

absl::StatusOr<std::vector<int32_t>> Server::EncodePrompt(const Prompt& prompt, bool add_special,
                                                          const std::string& name) const {
  std::vector<int32_t> tokens;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    tokens = model_.encode_text(*text, add_special);
    if (tokens.empty()) return ParameterError(name, "is empty");
  } else {
    tokens = std::get<std::vector<int32_t>>(prompt);
    if (absl::Status known = CheckTokens(tokens, name); !known.ok()) return known;
  }
  if (absl::Status fits = CheckLength(tokens, name); !fits.ok()) return fits;
  return tokens;
}

absl::Status Server::Prepare(bool chat, std::string_view body, AnswerContext& context,
                             GenerationRequest& generation) const {
  context.chat = chat;
  if (chat) {
    auto request = ParseChatRequest(body, model_.defaults);
    if (!request.ok()) return request.status();
    auto tokens = model_.encode_chat(*request);
    if (!tokens.ok()) return tokens.status();
    if (absl::Status fits = CheckLength(*tokens, "messages"); !fits.ok()) return fits;
    generation.prompts.push_back(*std::move(tokens));
    context.options = std::move(request->options);
  } else {
    auto request = ParseCompletionRequest(body, model_.defaults);
    if (!request.ok()) return request.status();
    for (size_t i = 0; i < request->prompts.size(); ++i) {
      const Prompt& prompt = request->prompts[i];
      auto tokens = EncodePrompt(
          prompt, request->add_special_tokens,
          request->prompts.size() == 1 ? std::string("prompt") : absl::StrCat("prompt[", i, "]"));
      if (!tokens.ok()) return tokens.status();
      if (request->echo) {
        const auto* text = std::get_if<std::string>(&prompt);
        context.echoed.push_back(text != nullptr ? *text : model_.tokenizer->Decode(*tokens, true));
      }
      generation.prompts.push_back(*std::move(tokens));
    }
    context.options = std::move(request->options);
  }
  const RequestOptions& options = context.options;
  if (!options.model.empty() && options.model != model_.name) {
    return WithCode(
        absl::NotFoundError(absl::StrCat("model: \"", options.model,
                                         "\" is not served here; this is \"", model_.name, "\"")),
        "model_not_found");
  }
  if (absl::Status known = CheckTokens(options.stop_token_ids, "stop_token_ids"); !known.ok()) {
    return known;
  }
  generation.n = options.n;
  generation.sampling = options.sampling;
  generation.max_tokens = options.max_tokens.value_or(INT32_MAX);  // the context ends it too
  if (!options.ignore_eos) generation.stop_tokens = model_.eos_tokens;
  generation.stop_tokens.insert(generation.stop_tokens.end(), options.stop_token_ids.begin(),
                                options.stop_token_ids.end());
  generation.stop = options.stop;
  generation.seed = options.seed.value_or(RandomBits());
  generation.top_logprobs = options.top_logprobs.value_or(0);
  generation.stream = options.stream;

  context.id =
      absl::StrFormat("%s-%016x%016x", chat ? "chatcmpl" : "cmpl", RandomBits(), RandomBits());
  context.model = model_.name;
  context.created = absl::ToUnixSeconds(absl::Now());
  context.prompts = generation.prompts;
  context.eos_tokens = model_.eos_tokens;
  return absl::OkStatus();
}

void Server::Post(bool chat, const httplib::Request& request, httplib::Response& response,
                  const httplib::ContentReader& reader) {
  const auto body = http_.ReadBody(request, response, reader);
  if (!body.ok()) {
    Error(body.status(), response);
  } else {
    Reply(chat, *body, response);
  }
  if (response.status >= 400) {
    metrics_
        .Counter("sojourn_serve_requests_total", "Requests for answers, by HTTP status",
                 {{"status", absl::StrCat(response.status)}})
        .Increment();
  }
}

void Server::Done(const Answer& answer, int http_status) {
  metrics_
      .Counter("sojourn_serve_requests_total", "Requests for answers, by HTTP status",
               {{"status", absl::StrCat(http_status)}})
      .Increment();
  tokens_.Increment(static_cast<double>(answer.tokens()));
  for (const auto& prompt : answer.context().prompts) {
    prompt_tokens_.Increment(static_cast<double>(prompt.size()));
  }
  seconds_.Observe(absl::ToDoubleSeconds(answer.age()));
}

std::shared_ptr<void> Server::Enter() {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return nullptr;
  ++answering_;
  return std::shared_ptr<void>(this, [this](void*) {
    absl::MutexLock lock(&mutex_);
    --answering_;
  });
}

void Server::Reply(bool chat, std::string_view body, httplib::Response& response) {
  auto entered = Enter();
  if (entered == nullptr) {
    return Error(absl::UnavailableError("the server is stopping"), response);
  }
  AnswerContext context;
  GenerationRequest request;
  if (absl::Status prepared = Prepare(chat, body, context, request); !prepared.ok()) {
    return Error(prepared, response);
  }
  const bool stream = context.options.stream;
  auto answer = std::make_shared<Answer>(std::move(context), request, *model_.tokenizer,
                                         options_.request_timeout, std::move(entered));
  auto generation = generator_.Submit(std::move(request));
  if (!generation.ok()) return Error(generation.status(), response);
  answer->Begin(*std::move(generation));
  // A stream begins with its first token, so that an error before it still has a status.
  auto pieces = answer->Next();
  if (pieces.ok() && stream) {
    first_token_.Observe(absl::ToDoubleSeconds(answer->age()));
    response.set_header("Cache-Control", "no-cache");
    response.set_chunked_content_provider(
        "text/event-stream",
        [this, answer, first = *std::move(pieces)](size_t, httplib::DataSink& sink) {
          return Stream(*answer, first, sink);
        },
        [this, answer](bool success) { Done(*answer, success ? 200 : kClientClosedRequest); });
    return;
  }
  while (pieces.ok()) {
    answer->writer().Add(*std::move(pieces));
    if (answer->complete()) {
      response.set_content(answer->writer().Whole(), kJson);
      return Done(*answer, 200);
    }
    pieces = answer->Next();
  }
  if (absl::IsCancelled(pieces.status())) response.status = kClientClosedRequest;
  Error(pieces.status(), response);
}

bool Server::Stream(Answer& answer, std::vector<Piece> pieces, httplib::DataSink& sink) {
  const auto write = [&](const std::string& events) {
    return events.empty() || sink.write(events.data(), events.size());
  };
  for (;;) {
    if (!write(answer.writer().Events(pieces))) return false;
    if (answer.complete()) break;
    auto next = answer.Next();
    if (!next.ok()) {
      if (absl::IsCancelled(next.status())) return false;
      if (!write(AnswerWriter::ErrorEvent(next.status()))) return false;
      sink.done();
      return false;
    }
    pieces = *std::move(next);
  }
  if (!write(answer.writer().LastEvents())) return false;
  sink.done();
  return true;
}

void Server::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_.exchange(true)) return;
    const auto none = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return answering_ == 0; };
    mutex_.AwaitWithTimeout(absl::Condition(&none), options_.drain);
  }
  generator_.Stop();
  http_.Stop();
}

}  // namespace

absl::StatusOr<std::unique_ptr<OpenAiServer>> OpenAiServer::Start(ServedModel model,
                                                                  ModelServer& server,
                                                                  Metrics& metrics,
                                                                  const OpenAiOptions& options) {
  auto openai = std::make_unique<Server>(std::move(model), server, metrics, options);
  if (absl::Status listening = openai->Listen(); !listening.ok()) return listening;
  return openai;
}

}  // namespace sojourn::serve
