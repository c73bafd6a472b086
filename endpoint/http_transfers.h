// Many HTTP requests at once on the caller's thread (libcurl's multi interface), with bounds on
// what a server can take: time for a whole request, bytes of its answer. Redirects are not
// followed.
#ifndef SOJOURN_ENDPOINT_HTTP_TRANSFERS_H_
#define SOJOURN_ENDPOINT_HTTP_TRANSFERS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sojourn::endpoint {

struct HttpOptions {
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration timeout = absl::Seconds(300);  // of a whole request
  size_t max_answer_bytes = 16 << 20;
  std::string api_key;  // sent as a bearer token; empty: none
};

struct HttpAnswer {
  int64_t id = 0;
  // Unavailable: no connection, or one that broke off; DeadlineExceeded; DataLoss: not HTTP;
  // ResourceExhausted: more than max_answer_bytes; FailedPrecondition: TLS, or a bad address.
  absl::Status status;
  int code = 0;  // HTTP's
  std::string body;
  absl::Duration retry_after;  // as the server asks; zero: it does not
};

// Not thread-safe. Connections are kept and used again.
class HttpTransfers {
 public:
  explicit HttpTransfers(const HttpOptions& options);
  ~HttpTransfers();  // breaks off what is under way

  void Get(int64_t id, const std::string& url) { Start(id, url, nullptr); }
  void Post(int64_t id, const std::string& url, const std::string& json) { Start(id, url, &json); }
  void Cancel(int64_t id);  // an unknown id is no error
  size_t size() const { return transfers_.size(); }

  // Moves every transfer on; waits up to `longest` when none is complete. An id comes once.
  std::vector<HttpAnswer> Poll(absl::Duration longest);

 private:
  struct Transfer;
  void Start(int64_t id, const std::string& url, const std::string* json);
  HttpAnswer Finish(Transfer& transfer, int code);
  static size_t TakeBytes(char* data, size_t size, size_t count, void* transfer);

  const HttpOptions options_;
  void* multi_;  // CURLM
  std::map<int64_t, std::unique_ptr<Transfer>> transfers_;
  std::vector<HttpAnswer> failed_;  // could not be started
};

}  // namespace sojourn::endpoint

#endif  // SOJOURN_ENDPOINT_HTTP_TRANSFERS_H_
