// cpp-httplib's server with bounds on everything a client can take: connections (and with them
// threads), bytes of headers and bodies, time to send a request and to read an answer, time without
// a request. A handler can ask whether its client is still there.
#ifndef SOJOURN_SERVE_HTTP_SERVER_H_
#define SOJOURN_SERVE_HTTP_SERVER_H_

#include <httplib.h>

#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace sojourn::serve {

struct HttpOptions {
  int max_connections = 256;                         // one more is answered with 503 at once
  size_t max_body_bytes = 8 << 20;                   // decompressed
  absl::Duration read_timeout = absl::Seconds(30);   // for a whole request, from its first byte
  absl::Duration write_timeout = absl::Seconds(30);  // without the client reading anything
  absl::Duration idle_timeout = absl::Seconds(15);   // between requests of a connection
};

class HttpServer : public httplib::Server {
 public:
  explicit HttpServer(const HttpOptions& options);
  ~HttpServer() override { Stop(); }

  // Binds and serves on threads of its own; routes must be set before. HOST:PORT, port 0: a free
  // one; returns the port. Unavailable when the address cannot be bound.
  absl::StatusOr<int> Start(const std::string& address);
  void Stop();  // takes no more requests, and waits for the handlers under way

  // For handlers, on the thread that calls them:
  // The client has closed its end (or only its sending half: nobody waits like that).
  static bool ClientGone();
  // Reads the body as a handler with a content reader must. On an error the answer's status is
  // set (408, 411, 413, 415, or 400), and the connection ends after it.
  absl::StatusOr<std::string> ReadBody(const httplib::Request& request, httplib::Response& response,
                                       const httplib::ContentReader& reader) const;
  // The connection ends after this answer: the rest of the request was not read.
  static void CloseAfter(httplib::Response& response);

 private:
  bool process_and_close_socket(socket_t socket) override;

  const HttpOptions options_;
  std::thread accepting_;
};

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_HTTP_SERVER_H_
