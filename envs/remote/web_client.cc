#include "envs/remote/web_client.h"

#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "envs/beast.h"

namespace sojourn::envs::remote {
namespace {

constexpr size_t kMaxHeaderBytes = 64 << 10;
constexpr absl::Duration kSlice = absl::Milliseconds(50);  // how soon Cancel is seen

beast::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct WebClient::State {
  State(Url server, size_t max_bytes) : server(std::move(server)), max_bytes(max_bytes) {}

  std::string Name() const { return server.place(); }

  // Runs until `done`; what is under way is broken off at the deadline, or when nobody wants it.
  absl::Status RunUntil(const bool& done, absl::Time deadline) {
    io.restart();
    while (!done) {
      const absl::Duration left = deadline - absl::Now();
      if (cancelled) return BreakOff(absl::CancelledError("broken off"));
      if (left <= absl::ZeroDuration()) {
        return BreakOff(absl::DeadlineExceededError(absl::StrCat(Name(), " did not answer in time")));
      }
      // A WebSocket that has failed, or is closed, waits for the server to hang up: not here.
      if (websocket_open && !stream->is_open()) {
        error_code ignored;
        beast::get_lowest_layer(*stream).socket().shutdown(tcp::socket::shutdown_both, ignored);
      }
      if (io.stopped()) io.restart();
      io.run_one_for(absl::ToChronoNanoseconds(std::min(left, kSlice)));
    }
    return absl::OkStatus();
  }

  absl::Status BreakOff(absl::Status status) {
    resolver.cancel();
    Drop();
    io.restart();
    io.run();  // what was under way ends, with errors
    return status;
  }

  void Drop() {
    error_code ignored;
    if (stream.has_value()) beast::get_lowest_layer(*stream).socket().close(ignored);
    connected = websocket_open = false;
  }

  absl::Status Fault(const error_code& error, const char* when) {
    BreakOff(absl::OkStatus()).IgnoreError();
    const std::string what = absl::StrCat(Name(), ", ", when, ": ", error.message());
    if (error == http::error::body_limit || error == http::error::header_limit ||
        error == websocket::error::message_too_big) {
      return absl::ResourceExhaustedError(
          absl::StrCat(Name(), ": the answer is larger than max_bytes, ", max_bytes));
    }
    const bool ended = error == http::error::end_of_stream || error == http::error::partial_message ||
                       error == websocket::error::closed;
    static const auto& http_category =
        http::make_error_code(http::error::end_of_stream).category();
    static const auto& websocket_category =
        websocket::make_error_code(websocket::error::closed).category();
    if (!ended && (error.category() == http_category || error.category() == websocket_category)) {
      return absl::DataLossError(what);
    }
    return absl::UnavailableError(what);
  }

  absl::Status Connect(absl::Time deadline) {
    Drop();
    stream.emplace(io);
    bool done = false;
    error_code error;
    absl::Status status;
    tcp::resolver::results_type found;
    const auto address = asio::ip::make_address(server.host, error);
    if (!error) {  // no thread for looking it up
      const tcp::endpoint place(address, static_cast<uint16_t>(server.port));
      found = tcp::resolver::results_type::create(place, server.host, "");
    } else {
      resolver.async_resolve(server.host, std::to_string(server.port),
                             [&](error_code e, tcp::resolver::results_type results) {
                               error = e;
                               found = std::move(results);
                               done = true;
                             });
      status = RunUntil(done, deadline);
      if (!status.ok()) return status;
      if (error) return Fault(error, "looking up its address");
    }
    done = false;
    beast::get_lowest_layer(*stream).async_connect(found, [&](error_code e, const auto&) {
      error = e;
      done = true;
    });
    status = RunUntil(done, deadline);
    if (!status.ok()) return status;
    if (error) return Fault(error, "connecting");
    beast::get_lowest_layer(*stream).socket().set_option(tcp::no_delay(true), error);
    buffer.consume(buffer.size());
    connected = true;
    return absl::OkStatus();
  }

  // A kept connection that the server has closed, or where it says what it was not asked.
  bool Stale() {
    char byte;
    const int socket = beast::get_lowest_layer(*stream).socket().native_handle();
    return buffer.size() > 0 || recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
  }

  const Url server;
  const size_t max_bytes;
  std::atomic<bool> cancelled{false};
  asio::io_context io{1};
  tcp::resolver resolver{io};
  std::optional<websocket::stream<beast::tcp_stream>> stream;  // HTTP goes over its lowest layer
  beast::flat_buffer buffer;
  bool connected = false, websocket_open = false;
};

std::string Url::place() const {
  const bool v6 = host.find(':') != host.npos;
  return absl::StrCat(v6 ? "[" : "", host, v6 ? "]:" : ":", port);
}

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  Url url;
  absl::string_view rest = text;
  if (!absl::ConsumePrefix(&rest, "http://") && !absl::ConsumePrefix(&rest, "ws://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": expected http://HOST[:PORT][/PATH]",
                     absl::StartsWith(text, "https://") || absl::StartsWith(text, "wss://")
                         ? "; TLS needs a proxy before the server"
                         : ""));
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  absl::string_view place = rest.substr(0, slash);
  url.path = std::string(rest.substr(slash));
  while (absl::EndsWith(url.path, "/")) url.path.pop_back();
  const size_t colon = place.rfind(':');
  if (colon != place.npos && place.back() != ']') {
    if (!absl::SimpleAtoi(place.substr(colon + 1), &url.port) || url.port < 1 || url.port > 65535) {
      return absl::InvalidArgumentError(absl::StrCat("\"", text, "\": the port is none"));
    }
    place = place.substr(0, colon);
  }
  if (absl::ConsumePrefix(&place, "[")) absl::ConsumeSuffix(&place, "]");
  url.host = std::string(place);
  const bool strange = std::any_of(text.begin(), text.end(), [](unsigned char c) {
    return c <= ' ' || c == 0x7f || c == '?' || c == '#';
  });
  if (url.host.empty() || strange) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": expected http://HOST[:PORT][/PATH]"));
  }
  return url;
}

WebClient::WebClient(Url server, size_t max_bytes)
    : state_(std::make_unique<State>(std::move(server), max_bytes)) {}

WebClient::~WebClient() { Close(); }

absl::StatusOr<HttpReply> WebClient::Call(std::string_view method, std::string_view path,
                                          const std::string& json, absl::Duration timeout) {
  State& s = *state_;
  const absl::Time deadline = absl::Now() + timeout;
  if (s.websocket_open || (s.connected && s.Stale())) s.Drop();
  if (!s.connected) {
    const absl::Status status = s.Connect(deadline);
    if (!status.ok()) return status;
  }
  http::request<http::string_body> request;
  request.method_string(View(method));
  request.target(absl::StrCat(s.server.path, path));
  request.version(11);
  request.set(http::field::host, s.Name());
  request.set(http::field::user_agent, "sojourn");
  if (method != "GET") {
    request.set(http::field::content_type, "application/json");
    request.body() = json;
  }
  request.keep_alive(true);
  request.prepare_payload();
  http::response_parser<http::string_body> parser;
  parser.body_limit(s.max_bytes);
  parser.header_limit(kMaxHeaderBytes);
  beast::tcp_stream& stream = beast::get_lowest_layer(*s.stream);
  bool done = false;
  error_code error;
  const char* when = "asking";
  http::async_write(stream, request, [&](error_code e, size_t) {
    // A server that answers before it has read everything is still heard.
    when = "answering";
    http::async_read_header(stream, s.buffer, parser, [&](error_code e, size_t) {
      if (!e && parser.content_length().value_or(0) > s.max_bytes) e = http::error::body_limit;
      if (e) {
        error = e;
        done = true;
        return;
      }
      http::async_read(stream, s.buffer, parser, [&](error_code e, size_t) {
        error = e;
        done = true;
      });
    });
  });
  const absl::Status status = s.RunUntil(done, deadline);
  if (!status.ok()) return status;
  if (error) return s.Fault(error, when);
  HttpReply reply{static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
  if (!parser.get().keep_alive()) s.Drop();
  return reply;
}

absl::Status WebClient::Open(std::string_view path, absl::Duration timeout) {
  State& s = *state_;
  const absl::Time deadline = absl::Now() + timeout;
  absl::Status status = s.Connect(deadline);
  if (!status.ok()) return status;
  s.stream->read_message_max(s.max_bytes);
  bool done = false;
  error_code error;
  websocket::response_type response;
  s.stream->async_handshake(response, s.Name(), absl::StrCat(s.server.path, path), [&](error_code e) {
    error = e;
    done = true;
  });
  status = s.RunUntil(done, deadline);
  if (!status.ok()) return status;
  if (error == websocket::error::upgrade_declined) {
    s.Drop();
    return absl::UnavailableError(absl::StrCat(s.Name(), " answers ", s.server.path, path,
                                               " with status ", response.result_int(),
                                               ", not with a WebSocket"));
  }
  if (error) return s.Fault(error, "opening a WebSocket");
  s.websocket_open = true;
  return absl::OkStatus();
}

absl::StatusOr<std::string> WebClient::Exchange(const std::string& message,
                                                absl::Duration timeout) {
  State& s = *state_;
  if (!s.websocket_open) return absl::UnavailableError("the WebSocket is closed");
  bool done = false;
  error_code error;
  s.stream->text(true);
  s.stream->async_write(asio::buffer(message), [&](error_code e, size_t) {
    if (e) {
      error = e;
      done = true;
      return;
    }
    s.stream->async_read(s.buffer, [&](error_code e, size_t) {
      error = e;
      done = true;
    });
  });
  const absl::Status status = s.RunUntil(done, absl::Now() + timeout);
  if (!status.ok()) return status;
  if (error) return s.Fault(error, "answering");
  std::string answer = beast::buffers_to_string(s.buffer.data());
  s.buffer.consume(s.buffer.size());
  return answer;
}

bool WebClient::is_open() const { return state_->websocket_open; }
void WebClient::Close() { state_->BreakOff(absl::OkStatus()).IgnoreError(); }
void WebClient::Cancel() { state_->cancelled = true; }

}  // namespace sojourn::envs::remote
