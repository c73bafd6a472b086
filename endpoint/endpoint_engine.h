// An engine that has no model: it asks an endpoint with OpenAI's API. For evaluation alone: no
// log-probabilities are read.
//
// With a local tokenizer, conversations go as token ids to /v1/completions: what was sampled is
// what is sent again. Without, as messages to /v1/chat/completions: the endpoint applies its
// template and makes tokens of its own answers again.
//
// What may pass (no connection, one that broke off, HTTP 429 and 5xx, a timeout) is tried again
// with growing pauses until `patience` is over since the request's first failure; a malformed
// answer three times. Then, or at once for what cannot get better, the response's status says which
// endpoint failed and how. One thread drives the engine; Step waits for the endpoint, but not long.
#ifndef SOJOURN_ENDPOINT_ENDPOINT_ENGINE_H_
#define SOJOURN_ENDPOINT_ENDPOINT_ENGINE_H_

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/retry.h"
#include "endpoint/completion.h"
#include "endpoint/http_transfers.h"
#include "policy/engine.h"

namespace sojourn::endpoint {

// What an endpoint's engine waits for, readable from any thread.
class Trouble {
 public:
  void Set(const std::string& text);  // keeps the time of the first since Clear
  void Clear();
  std::pair<std::string, absl::Duration> Get() const;  // empty: none

 private:
  mutable std::mutex mu_;
  std::string text_;
  absl::Time since_;
};

struct EndpointOptions {
  std::string url;        // "http://HOST:PORT/v1"; "/v1" is added where there is no path
  std::string model;      // what the endpoint calls it
  bool messages = false;  // no local tokenizer
  int connections = 64;   // requests under way at once; others wait
  int max_context_tokens = 1024;
  absl::Duration patience = absl::Seconds(120);
  HttpOptions http;
  BackoffOptions backoff = {.first = absl::Milliseconds(250), .longest = absl::Seconds(10)};
  std::shared_ptr<Trouble> trouble;  // may be null
};

// The address that requests go to begins with this. InvalidArgument: neither http nor https.
absl::StatusOr<std::string> BaseUrl(const std::string& url);

// Looks `model` up; "" is the endpoint's only one. One try. NotFound lists the endpoint's models
// and suggests one; any error names the endpoint.
absl::StatusOr<EndpointModel> FindModel(const std::string& url, const std::string& model,
                                        const HttpOptions& http);

class EndpointEngine : public policy::Engine {
 public:
  static absl::StatusOr<std::unique_ptr<EndpointEngine>> Create(EndpointOptions options);
  ~EndpointEngine() override;

  // FailedPrecondition: there is no model here.
  absl::Status SetModel(std::shared_ptr<const policy::Model>, policy::CachePolicy) override;
  // With messages the prompt may be empty.
  absl::StatusOr<std::vector<int64_t>> OpenGroup(absl::Span<const int32_t> prompt, int n) override;
  void Close(int64_t episode) override;
  absl::Status Respond(int64_t episode, policy::ResponseRequest request) override;
  absl::StatusOr<std::vector<policy::Response>> Step() override;
  bool idle() const override { return waiting_.empty() && transfers_.size() == 0 && full_.empty(); }
  int64_t context_tokens(int64_t episode) const override;
  policy::EngineStats stats() const override;

 private:
  struct Episode;
  explicit EndpointEngine(EndpointOptions options);
  void Ask(int64_t id, Episode& episode);
  absl::Status Understand(const HttpAnswer& answer, Episode& episode, policy::Response& response);
  // Whether the request waits to be tried again.
  bool TryAgain(int64_t id, Episode& episode, const HttpAnswer& answer, const absl::Status& error);

  const EndpointOptions options_;
  const std::string address_;  // of all requests
  HttpTransfers transfers_;
  Dialect dialect_ = Dialect::kTokenIds;
  int64_t next_id_ = 0;
  std::map<int64_t, Episode> episodes_;
  std::multimap<absl::Time, int64_t> waiting_;  // by when they may be sent; in order among equals
  std::vector<policy::Response> full_;  // of conversations without room for another response
  policy::EngineStats stats_;
};

}  // namespace sojourn::endpoint

#endif  // SOJOURN_ENDPOINT_ENDPOINT_ENGINE_H_
