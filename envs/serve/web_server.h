// An HTTP/1.1 and WebSocket server (Boost.Beast) with bounds on everything that a client can take:
// connections, bytes of headers, bodies and messages, time to send a request, to read an answer, and
// between two of them. Connections cost no threads.
#ifndef SOJOURN_ENVS_SERVE_WEB_SERVER_H_
#define SOJOURN_ENVS_SERVE_WEB_SERVER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/metrics.h"
#include "envs/serve/agentgym.h"

namespace sojourn::envs::serve {

// What one client says over one WebSocket. Used by one thread at a time.
class Conversation {
 public:
  virtual ~Conversation() = default;
  // The answer to a message; an empty one is not sent. Setting `over` ends the connection after it.
  virtual std::string Answer(std::string_view message, bool& over) = 0;
};

// What a server answers. Called by many threads at once.
class WebHandler {
 public:
  virtual ~WebHandler() = default;
  // `target` is the path with its query.
  virtual Response Handle(std::string_view method, std::string_view target,
                          std::string_view body) = 0;
  // A client wants a WebSocket; NotFound: not here, ResourceExhausted: not now.
  virtual absl::StatusOr<std::unique_ptr<Conversation>> Open(std::string_view target) = 0;
};

struct WebOptions {
  int threads = 0;                                   // 0: one per core, at least four
  int max_connections = 4096;                        // one more is closed at once
  size_t max_body_bytes = 1 << 20;                   // of a request, and of a WebSocket's message
  absl::Duration read_timeout = absl::Seconds(30);   // of a whole request, from its first byte
  absl::Duration write_timeout = absl::Seconds(30);  // of a whole answer
  absl::Duration idle_timeout = absl::Seconds(60);   // between requests of a connection
  absl::Duration silence = absl::Minutes(15);        // between messages of a WebSocket
};

class WebServer {
 public:
  // Serves HOST:PORT (port 0: a free one). The handler and the metrics must outlive the server.
  // Unavailable when the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<WebServer>> Start(WebHandler& handler,
                                                          const std::string& address,
                                                          const WebOptions& options,
                                                          Metrics& metrics);
  ~WebServer();  // takes no more requests; those under way get up to two seconds for their answers

  int port() const;

 private:
  struct State;
  explicit WebServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// HOST:PORT, "[::1]:80" too. InvalidArgument says what is expected.
absl::StatusOr<std::pair<std::string, int>> ParseAddress(const std::string& address);

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_WEB_SERVER_H_
