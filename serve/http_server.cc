#include "serve/http_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"

namespace sojourn::serve {
namespace {

constexpr int64_t kMaxHeaderBytes = 64 << 10;  // of one request, its first line included
constexpr absl::Duration kSlice = absl::Milliseconds(100);  // how soon a stop is seen

// The threads of the connections: made when they are needed, kept, at most so many.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(int most) : most_(most) {}

  void enqueue(std::function<void()> task) override;
  void shutdown() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  static thread_local bool refusing;  // the connection of this task is one too many

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      changed_.wait(lock, [&] { return stopping_ || !tasks_.empty(); });
      --idle_;
      if (tasks_.empty()) return;
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  const int most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  int idle_ = 0;
  bool stopping_ = false;
};

thread_local bool ConnectionThreads::refusing = false;

void ConnectionThreads::enqueue(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    const bool idle = idle_ > static_cast<int>(tasks_.size());
    if (idle || static_cast<int>(threads_.size()) < most_) {
      tasks_.push_back(std::move(task));
      if (!idle) threads_.emplace_back([this] { Work(); });
      changed_.notify_one();
      return;
    }
  }
  refusing = true;
  task();
  refusing = false;
}

// One connection as httplib reads and writes it, with deadlines and a budget of bytes.
class Connection : public httplib::Stream {
 public:
  Connection(socket_t socket, const HttpOptions& options) : socket_(socket), options_(options) {
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  // Waits for a request's first byte; false: there will be none.
  bool Wait(absl::Duration timeout) { return at_ < buffer_.size() || Poll(POLLIN, timeout) > 0; }
  void BeginRequest() {
    read_deadline_ = absl::Now() + options_.read_timeout;
    budget_ = kMaxHeaderBytes;
  }
  void AllowBody(int64_t bytes) { budget_ += bytes; }

  bool PeerGone() const {
    pollfd poller{socket_, POLLRDHUP, 0};
    return poll(&poller, 1, 0) != 0;
  }
  // Ends the connection so that the answer still arrives: while the client sends, a plain close
  // would reset it.
  void Linger() {
    shutdown(socket_, SHUT_WR);
    const absl::Time deadline = absl::Now() + absl::Seconds(1);
    std::vector<char> discarded(1 << 16);
    while (absl::Now() < deadline && Poll(POLLIN, deadline - absl::Now()) > 0 &&
           recv(socket_, discarded.data(), discarded.size(), MSG_DONTWAIT) > 0) {
    }
  }

  bool timed_out() const { return timed_out_; }
  bool close_after = false;

  bool is_readable() const override { return at_ < buffer_.size() || Poll(POLLIN, {}) > 0; }
  bool is_writable() const override { return Poll(POLLOUT, options_.write_timeout) > 0; }
  ssize_t read(char* out, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    NameOf(getpeername, ip, port);
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    NameOf(getsockname, ip, port);
  }
  socket_t socket() const override { return socket_; }

 private:
  // 1: ready, 0: the time is over, -1: error.
  int Poll(short events, absl::Duration timeout) const {
    const absl::Time deadline = absl::Now() + timeout;
    for (;;) {
      const int64_t left = std::max<int64_t>(
          0, absl::ToInt64Milliseconds(absl::Ceil(deadline - absl::Now(), absl::Milliseconds(1))));
      pollfd poller{socket_, events, 0};
      const int ready = poll(&poller, 1, static_cast<int>(std::min<int64_t>(left, INT_MAX)));
      if (ready >= 0) return ready;
      if (errno != EINTR) return -1;
    }
  }
  static void NameOf(int (*name)(int, sockaddr*, socklen_t*), int socket, std::string& ip,
                     int& port);
  void NameOf(int (*name)(int, sockaddr*, socklen_t*), std::string& ip, int& port) const {
    NameOf(name, socket_, ip, port);
  }

  const socket_t socket_;
  const HttpOptions& options_;
  std::string buffer_;  // read from the socket; `at_` bytes of it are used
  size_t at_ = 0;
  absl::Time read_deadline_ = absl::InfinitePast();
  int64_t budget_ = 0;
  bool timed_out_ = false;
};

void Connection::NameOf(int (*name)(int, sockaddr*, socklen_t*), int socket, std::string& ip,
                        int& port) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (name(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return;
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    port = ntohs(v6.sin6_port);
  }
  ip = text;
}

ssize_t Connection::read(char* out, size_t size) {
  if (at_ == buffer_.size()) {
    if (Poll(POLLIN, read_deadline_ - absl::Now()) <= 0) {
      timed_out_ = absl::Now() >= read_deadline_;
      return -1;
    }
    buffer_.resize(16 << 10);
    at_ = 0;
    const ssize_t n = recv(socket_, buffer_.data(), buffer_.size(), 0);
    buffer_.resize(std::max<ssize_t>(0, n));
    if (n <= 0) return n;
  }
  const size_t n = std::min(size, buffer_.size() - at_);
  if (static_cast<int64_t>(n) > budget_) return -1;
  budget_ -= n;
  std::memcpy(out, buffer_.data() + at_, n);
  at_ += n;
  return static_cast<ssize_t>(n);
}

ssize_t Connection::write(const char* data, size_t size) {
  if (!is_writable()) return -1;
  const ssize_t n = send(socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;  // httplib tries again
  return n;
}

thread_local Connection* current = nullptr;

constexpr std::string_view kBusyBody =
    R"({"error":{"message":"too many connections; try again later","type":"server_error",)"
    R"("param":null,"code":null}})";

}  // namespace

HttpServer::HttpServer(const HttpOptions& options) : options_(options) {
  set_socket_options([](socket_t socket) {  // httplib's own let two servers share a port
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  new_task_queue = [this] { return new ConnectionThreads(options_.max_connections); };
}

absl::StatusOr<int> HttpServer::Start(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon == address.npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 ||
      port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("listening on \"", address, "\": expected HOST:PORT"));
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  errno = 0;
  if (port == 0) {
    port = bind_to_any_port(host);
  } else if (!bind_to_port(host, port)) {
    port = -1;
  }
  if (port < 0) {
    return absl::UnavailableError(absl::StrCat("listening on ", address, ": ",
                                               errno != 0 ? strerror(errno) : "cannot be bound"));
  }
  ::listen(svr_sock_, SOMAXCONN);  // httplib's own backlog is 5
  accepting_ = std::thread([this] { listen_after_bind(); });
  while (!is_running()) absl::SleepFor(absl::Milliseconds(1));  // stop() before this does nothing
  return port;
}

void HttpServer::Stop() {
  if (!accepting_.joinable()) return;
  stop();
  accepting_.join();
}

bool HttpServer::ClientGone() { return current != nullptr && current->PeerGone(); }

void HttpServer::CloseAfter(httplib::Response& response) {
  response.set_header("Connection", "close");
  if (current != nullptr) current->close_after = true;
}

absl::StatusOr<std::string> HttpServer::ReadBody(const httplib::Request& request,
                                                 httplib::Response& response,
                                                 const httplib::ContentReader& reader) const {
  const auto fail = [&](int status, absl::Status error) {
    CloseAfter(response);
    response.status = status;
    return error;
  };
  const absl::Status too_large = absl::InvalidArgumentError(
      absl::StrCat("the request's body is larger than ", options_.max_body_bytes, " bytes"));
  const std::string type = request.get_header_value("Content-Type");
  if (!absl::StartsWithIgnoreCase(type, "application/json")) {
    return fail(415, absl::InvalidArgumentError(absl::StrCat(
                         "Content-Type: expected application/json, got \"", type, "\"")));
  }
  const bool has_length = request.has_header("Content-Length");
  if (!has_length && !request.has_header("Transfer-Encoding")) {
    return fail(411, absl::InvalidArgumentError("the request has no Content-Length"));
  }
  uint64_t length = 0;
  if (has_length && !absl::SimpleAtoi(request.get_header_value("Content-Length"), &length)) {
    return fail(400, absl::InvalidArgumentError("Content-Length is not a number"));
  }
  if (length > options_.max_body_bytes) return fail(413, too_large);
  // Chunks have heads of their own.
  current->AllowBody(static_cast<int64_t>(2 * options_.max_body_bytes));
  std::string body;
  bool large = false;
  const bool read = reader([&](const char* data, size_t size) {
    large = body.size() + size > options_.max_body_bytes;
    if (!large) body.append(data, size);
    return !large;
  });
  if (large) return fail(413, too_large);
  if (read) return body;
  if (current->timed_out()) {
    return fail(408, absl::DeadlineExceededError(
                         absl::StrCat("the request did not arrive within ",
                                      absl::FormatDuration(options_.read_timeout))));
  }
  return fail(400, absl::InvalidArgumentError("the request's body is broken off or malformed"));
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  Connection connection(socket, options_);
  bool ok = true;
  if (ConnectionThreads::refusing) {
    const std::string answer = absl::StrCat(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
        "Connection: close\r\nContent-Length: ",
        kBusyBody.size(), "\r\n\r\n", kBusyBody);
    send(socket, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    shutdown(socket, SHUT_WR);
    char discarded[4096];  // what it has sent must not reset the connection
    while (recv(socket, discarded, sizeof discarded, MSG_DONTWAIT) > 0) {
    }
  } else {
    current = &connection;
    const auto next = [&] {
      for (absl::Time end = absl::Now() + options_.idle_timeout; absl::Now() < end;) {
        if (svr_sock_ == INVALID_SOCKET) return false;
        if (connection.Wait(kSlice)) return true;
      }
      return false;
    };
    while (ok && !connection.close_after && next()) {
      connection.BeginRequest();
      bool closes = false;
      try {
        ok = process_request(connection, false, closes, [](httplib::Request& request) {
          // Neither parts of answers nor compressed ones: both are code that nobody needs here.
          request.ranges.clear();
          request.headers.erase("Range");
          request.headers.erase("Accept-Encoding");
        });
      } catch (const std::exception& error) {  // no memory, a regular expression too deep
        spdlog::warn("a connection ends: {}", error.what());
        ok = false;
      }
      connection.close_after |= closes;
    }
    if (connection.close_after) connection.Linger();
    current = nullptr;
  }
  shutdown(socket, SHUT_RDWR);
  close(socket);
  return ok;
}

}  // namespace sojourn::serve
