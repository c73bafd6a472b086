// A server for tests that does anything but its duty.
#ifndef SOJOURN_ENVS_REMOTE_WILD_SERVER_H_
#define SOJOURN_ENVS_REMOTE_WILD_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sojourn::envs::remote {

// Answers every HTTP request with what `answer` makes of it, byte for byte; an empty answer closes
// the connection, kSilence is none at all.
class WildServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;
  static constexpr std::string_view kSilence = "silence";

  static std::string Http(std::string_view body, std::string_view status = "200 OK") {
    return absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
  }

  explicit WildServer(Answer answer) : answer_(std::move(answer)) {
    listening_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(listening_, reinterpret_cast<sockaddr*>(&address), size);
    getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    listen(listening_, 64);
    accepting_ = std::thread([this] {
      while (Ready(listening_)) {
        const int connection = accept(listening_, nullptr, nullptr);
        threads_.emplace_back([this, connection] { Talk(connection); });
      }
    });
  }

  ~WildServer() {
    stopping_ = true;
    accepting_.join();
    for (std::thread& thread : threads_) thread.join();
    close(listening_);
  }

  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }

 private:
  bool Ready(int socket) {
    while (!stopping_) {
      pollfd poller{socket, POLLIN, 0};
      if (poll(&poller, 1, 5) > 0) return true;
    }
    return false;
  }

  void Talk(int connection) {
    std::string request;
    char buffer[4096];
    while (Ready(connection)) {
      const ssize_t n = recv(connection, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      request.append(buffer, n);
      const size_t head = request.find("\r\n\r\n");
      if (head == request.npos) continue;
      const size_t length = request.find("Content-Length: ");
      if (length != request.npos &&
          request.size() < head + 4 + std::stoul(request.substr(length + 16))) {
        continue;
      }
      const std::string answer = answer_(request);
      request.clear();
      if (answer.empty()) break;
      if (answer != kSilence) send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
    close(connection);
  }

  const Answer answer_;
  int listening_ = -1, port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread accepting_;
  std::vector<std::thread> threads_;  // of accepting_ alone, until it has ended
};

}  // namespace sojourn::envs::remote

#endif  // SOJOURN_ENVS_REMOTE_WILD_SERVER_H_
