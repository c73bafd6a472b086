#include "envs/serve/web_server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "envs/beast.h"

namespace sojourn::envs::serve {
namespace {

constexpr size_t kMaxHeaderBytes = 16 << 10;

std::chrono::nanoseconds Chrono(absl::Duration duration) {
  return absl::ToChronoNanoseconds(duration);
}

std::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct WebServer::State {
  State(WebHandler& handler, const WebOptions& options, Metrics& metrics)
      : handler(handler),
        options(options),
        requests(metrics.Counter("sojourn_envs_requests_total", "HTTP requests and messages")),
        errors(metrics.Counter("sojourn_envs_request_errors_total",
                               "HTTP requests answered with a status of 400 or more")),
        refused(metrics.Counter("sojourn_envs_refused_connections_total",
                                "Connections closed because there were too many")),
        open(metrics.Gauge("sojourn_envs_connections", "Open connections")),
        seconds(metrics.Histogram("sojourn_envs_request_seconds",
                                  "Time to find the answer to a request",
                                  {1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10})),
        io(std::in_place),
        acceptor(*io),
        pause(*io) {}

  void Accept(const std::shared_ptr<State>& self);
  Response Ask(std::string_view method, std::string_view target, std::string_view body);

  WebHandler& handler;
  const WebOptions options;
  prometheus::Counter &requests, &errors, &refused;
  prometheus::Gauge& open;
  prometheus::Histogram& seconds;
  std::atomic<int> connections{0}, busy{0};  // busy: a request is being read, answered or written
  std::atomic<bool> stopping{false};

  // Each until the server's end: what waits in `io` holds this.
  std::optional<asio::io_context> io;
  std::optional<tcp::acceptor> acceptor;
  std::optional<asio::steady_timer> pause;
  std::vector<std::thread> threads;
  int port = 0;
};

namespace {

// What a connection takes, for as long as it is there.
class Place {
 public:
  Place(std::atomic<int>& connections, prometheus::Gauge& open)
      : connections_(connections), open_(open) {
    ++connections_;
    open_.Increment();
  }
  ~Place() {
    --connections_;
    open_.Decrement();
  }

 private:
  std::atomic<int>& connections_;
  prometheus::Gauge& open_;
};

// A WebSocket: message, answer, message...; every step on the connection's strand.
template <typename State>
class Talk : public std::enable_shared_from_this<Talk<State>> {
 public:
  Talk(std::shared_ptr<State> state, std::unique_ptr<Place> place, beast::tcp_stream stream,
       std::unique_ptr<Conversation> conversation)
      : state_(std::move(state)),
        place_(std::move(place)),
        stream_(std::move(stream)),
        conversation_(std::move(conversation)) {
    websocket::stream_base::timeout timeout;
    timeout.handshake_timeout = Chrono(state_->options.read_timeout);
    timeout.idle_timeout = Chrono(state_->options.silence);
    timeout.keep_alive_pings = false;
    stream_.set_option(timeout);
    stream_.read_message_max(state_->options.max_body_bytes);
  }

  void Run(http::request<http::string_body> request) {
    beast::get_lowest_layer(stream_).expires_never();  // the WebSocket has timers of its own
    request_ = std::move(request);
    stream_.async_accept(request_, [self = this->shared_from_this()](error_code error) {
      if (!error) self->Read();
    });
  }

 private:
  void Read() {
    stream_.async_read(buffer_, [self = this->shared_from_this()](error_code error, size_t) {
      if (error) return;
      const auto data = self->buffer_.cdata();
      self->state_->requests.Increment();
      bool over = false;
      self->answer_ = self->conversation_->Answer(
          {static_cast<const char*>(data.data()), data.size()}, over);
      self->buffer_.consume(self->buffer_.size());
      if (self->answer_.empty()) return over ? self->Close() : self->Read();
      self->stream_.text(true);
      self->stream_.async_write(asio::buffer(self->answer_), [self, over](error_code error, size_t) {
        if (error) return;
        over ? self->Close() : self->Read();
      });
    });
  }

  void Close() {
    stream_.async_close(websocket::close_code::normal,
                        [self = this->shared_from_this()](error_code) {});
  }

  std::shared_ptr<State> state_;
  std::unique_ptr<Place> place_;
  websocket::stream<beast::tcp_stream> stream_;
  std::unique_ptr<Conversation> conversation_;
  http::request<http::string_body> request_;
  beast::flat_buffer buffer_;
  std::string answer_;
};

// A connection that speaks HTTP, one request after another.
template <typename State>
class Connection : public std::enable_shared_from_this<Connection<State>> {
 public:
  Connection(std::shared_ptr<State> state, tcp::socket socket)
      : state_(std::move(state)),
        place_(std::make_unique<Place>(state_->connections, state_->open)),
        stream_(std::move(socket)) {}

  void Run() {
    error_code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    asio::dispatch(stream_.get_executor(), [self = this->shared_from_this()] { self->Wait(); });
  }

 private:
  // For a request's first bytes, then for the rest of it.
  void Wait() {
    if (state_->stopping) return End();
    if (buffer_.size() > 0) return Read();
    stream_.expires_after(Chrono(state_->options.idle_timeout));
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = this->shared_from_this()](error_code error, size_t size) {
                              if (error) return;
                              self->buffer_.commit(size);
                              self->Read();
                            });
  }

  void Read() {
    ++state_->busy;
    parser_.emplace();
    parser_->body_limit(state_->options.max_body_bytes);
    parser_->header_limit(kMaxHeaderBytes);
    stream_.expires_after(Chrono(state_->options.read_timeout));
    http::async_read(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](error_code error, size_t) { self->Took(error); });
  }

  void Took(error_code error) {
    if (error == http::error::body_limit) {
      return Send({413, absl::StrCat("{\"detail\":\"the body is larger than ",
                                     state_->options.max_body_bytes, " bytes\"}")},
                  false);
    }
    if (error == http::error::header_limit) {
      return Send({431, "{\"detail\":\"the headers are too large\"}"}, false);
    }
    if (error.category() == http::make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message) {
      return Send({400, "{\"detail\":\"this is not HTTP\"}"}, false);
    }
    if (error) {
      --state_->busy;
      return;
    }
    http::request<http::string_body> request = parser_->release();
    if (websocket::is_upgrade(request)) return Upgrade(std::move(request));
    const bool keep = request.keep_alive();
    Send(state_->Ask(View(request.method_string()), View(request.target()), request.body()), keep);
  }

  void Upgrade(http::request<http::string_body> request) {
    auto conversation = state_->handler.Open(View(request.target()));
    if (!conversation.ok()) {
      const int status = absl::IsNotFound(conversation.status()) ? 404 : 503;
      return Send({status, std::string(conversation.status().message()), "text/plain"}, false);
    }
    --state_->busy;
    std::make_shared<Talk<State>>(std::move(state_), std::move(place_), std::move(stream_),
                                  *std::move(conversation))
        ->Run(std::move(request));
  }

  void Send(Response answer, bool keep) {
    keep = keep && !state_->stopping;
    if (answer.status >= 400) state_->errors.Increment();
    response_.emplace();
    response_->result(answer.status);
    response_->set(http::field::content_type, answer.content_type);
    response_->body() = std::move(answer.body);
    response_->keep_alive(keep);
    response_->prepare_payload();
    stream_.expires_after(Chrono(state_->options.write_timeout));
    http::async_write(stream_, *response_,
                      [self = this->shared_from_this(), keep](error_code error, size_t) {
                        --self->state_->busy;
                        if (error) return;
                        keep ? self->Wait() : self->End();
                      });
  }

  // So that the answer still arrives: a plain close while the client sends would reset it.
  void End() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(std::chrono::seconds(1));
    Drain();
  }
  void Drain() {
    buffer_.consume(buffer_.size());
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = this->shared_from_this()](error_code error, size_t) {
                              if (!error) self->Drain();
                            });
  }

  std::shared_ptr<State> state_;
  std::unique_ptr<Place> place_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::optional<http::response<http::string_body>> response_;
};

}  // namespace

Response WebServer::State::Ask(std::string_view method, std::string_view target,
                               std::string_view body) {
  const absl::Time start = absl::Now();
  Response answer = handler.Handle(method, target, body);
  requests.Increment();
  seconds.Observe(absl::ToDoubleSeconds(absl::Now() - start));
  return answer;
}

void WebServer::State::Accept(const std::shared_ptr<State>& self) {
  acceptor->async_accept(asio::make_strand(*io), [self](error_code error, tcp::socket socket) {
    if (self->stopping) return;
    if (error) {  // no file descriptor left, say: the connections that end will free some
      self->pause->expires_after(std::chrono::milliseconds(50));
      self->pause->async_wait([self](error_code) { self->Accept(self); });
      return;
    }
    if (self->connections >= self->options.max_connections) {
      self->refused.Increment();
    } else {
      std::make_shared<Connection<State>>(self, std::move(socket))->Run();
    }
    self->Accept(self);
  });
}

absl::StatusOr<std::pair<std::string, int>> ParseAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  int port = -1;
  if (colon == address.npos || colon == 0 || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("\"", address, "\": expected HOST:PORT"));
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  return std::pair(host, port);
}

absl::StatusOr<std::unique_ptr<WebServer>> WebServer::Start(WebHandler& handler,
                                                            const std::string& address,
                                                            const WebOptions& options,
                                                            Metrics& metrics) {
  const auto parsed = ParseAddress(address);
  if (!parsed.ok()) return parsed.status();
  auto state = std::make_shared<State>(handler, options, metrics);
  error_code error;
  tcp::resolver resolver(*state->io);
  const auto found = resolver.resolve(parsed->first, absl::StrCat(parsed->second),
                                      tcp::resolver::passive, error);
  if (!error && found.empty()) error = asio::error::host_not_found;
  tcp::acceptor& acceptor = *state->acceptor;
  if (!error) acceptor.open(found.begin()->endpoint().protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(found.begin()->endpoint(), error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("listening on ", address, ": ", error.message()));
  }
  state->port = acceptor.local_endpoint(error).port();
  state->Accept(state);
  const int threads = options.threads > 0
                          ? options.threads
                          : std::max(4, static_cast<int>(std::thread::hardware_concurrency()));
  for (int i = 0; i < threads; ++i) {
    state->threads.emplace_back([io = &*state->io] {
      for (;;) {
        try {
          io->run();
          return;
        } catch (const std::exception& fault) {  // of the library: no memory left
          spdlog::error("a connection was lost: {}", fault.what());
        }
      }
    });
  }
  return std::unique_ptr<WebServer>(new WebServer(std::move(state)));
}

int WebServer::port() const { return state_->port; }

WebServer::~WebServer() {
  state_->stopping = true;
  asio::post(*state_->io, [state = state_.get()] {
    error_code ignored;
    state->acceptor->close(ignored);
  });
  for (const absl::Time end = absl::Now() + absl::Seconds(2);
       state_->busy > 0 && absl::Now() < end;) {
    absl::SleepFor(absl::Milliseconds(5));
  }
  state_->io->stop();
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
  state_->pause.reset();
  state_->acceptor.reset();
  state_->io.reset();  // with every connection
}

}  // namespace sojourn::envs::serve
