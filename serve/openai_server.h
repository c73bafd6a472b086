// OpenAI's API over HTTP: GET /v1/models, GET /health, POST /v1/chat/completions and
// POST /v1/completions, answered by a ModelServer.
#ifndef SOJOURN_SERVE_OPENAI_SERVER_H_
#define SOJOURN_SERVE_OPENAI_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/metrics.h"
#include "policy/tokenizer.h"
#include "serve/http_server.h"
#include "serve/model_server.h"
#include "serve/openai_request.h"

namespace sojourn::serve {

// What the API needs to know of a model beside its engine.
struct ServedModel {
  std::string name;  // the id that clients give
  std::shared_ptr<const policy::Tokenizer> tokenizer;
  // A conversation as the model was taught it, up to where its answer begins.
  std::function<absl::StatusOr<std::vector<int32_t>>(const ChatRequest&)> encode_chat;
  std::function<std::vector<int32_t>(std::string_view text, bool add_special_tokens)> encode_text;
  std::vector<int32_t> eos_tokens;      // each ends an answer
  policy::SamplingParameters defaults;  // of requests that do not say
  int max_context_tokens = 0;           // the engine's
};

struct OpenAiOptions {
  std::string listen = "127.0.0.1:8000";  // port 0: a free one
  HttpOptions http;
  absl::Duration request_timeout = absl::Minutes(10);  // from its arrival to the answer's end
  absl::Duration drain = absl::Seconds(10);            // answers under way may take so long to end
};

class OpenAiServer {
 public:
  // Keeps references to the model server and the metrics.
  static absl::StatusOr<std::unique_ptr<OpenAiServer>> Start(ServedModel model, ModelServer& server,
                                                             Metrics& metrics,
                                                             const OpenAiOptions& options);
  virtual ~OpenAiServer() = default;  // stops

  virtual int port() const = 0;
  // New requests get 503; those under way may end within `drain`, then stops the model server.
  virtual void Stop() = 0;
};

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_OPENAI_SERVER_H_
