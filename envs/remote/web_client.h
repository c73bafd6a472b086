// HTTP/1.1 and WebSocket to one server (Boost.Beast): blocking calls with deadlines, which another
// thread can break off.
#ifndef SOJOURN_ENVS_REMOTE_WEB_CLIENT_H_
#define SOJOURN_ENVS_REMOTE_WEB_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sojourn::envs::remote {

struct Url {
  std::string host;
  int port = 80;
  std::string path;  // without a slash at its end

  std::string place() const;  // HOST:PORT, [HOST]:PORT of an IPv6 address
};
// "http://HOST[:PORT][/PATH]"; "ws://" is taken for it. InvalidArgument says what is expected.
absl::StatusOr<Url> ParseUrl(std::string_view text);

struct HttpReply {
  int status = 0;
  std::string body;
};

// Errors: Unavailable (no connection, or one that broke off), DeadlineExceeded, ResourceExhausted
// (more than max_bytes), DataLoss (not the protocol), Cancelled. The connection is closed by any of
// them, and made again by the next call. One thread at a time, but for Cancel.
class WebClient {
 public:
  WebClient(Url server, size_t max_bytes);
  ~WebClient();

  // A request and its answer; the connection is kept. `path` is appended to the server's.
  absl::StatusOr<HttpReply> Call(std::string_view method, std::string_view path,
                                 const std::string& json, absl::Duration timeout);

  // A WebSocket instead: Open, then messages and answers in turn.
  absl::Status Open(std::string_view path, absl::Duration timeout);
  absl::StatusOr<std::string> Exchange(const std::string& message, absl::Duration timeout);
  bool is_open() const;

  void Close();
  void Cancel();  // from any thread; for ever

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sojourn::envs::remote

#endif  // SOJOURN_ENVS_REMOTE_WEB_CLIENT_H_
