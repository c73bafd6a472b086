#include "serve/api_error.h"

#include <nlohmann/json.hpp>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace sojourn::serve {
namespace {

constexpr char kParameter[] = "sojourn/parameter", kCode[] = "sojourn/code";

std::string Payload(const absl::Status& status, const char* name) {
  const auto payload = status.GetPayload(name);
  return payload.has_value() ? std::string(*payload) : "";
}

const char* ErrorType(int http_status) {
  switch (http_status) {
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return http_status < 500 ? "invalid_request_error" : "server_error";
  }
}

}  // namespace

absl::Status ParameterError(std::string_view parameter, std::string_view message,
                            std::string_view code) {
  absl::Status status = absl::InvalidArgumentError(absl::StrCat(parameter, ": ", message));
  status.SetPayload(kParameter, absl::Cord(absl::string_view(parameter)));
  return WithCode(std::move(status), code);
}

absl::Status WithCode(absl::Status status, std::string_view code) {
  if (!code.empty()) status.SetPayload(kCode, absl::Cord(absl::string_view(code)));
  return status;
}

std::string ErrorParameter(const absl::Status& status) { return Payload(status, kParameter); }

int HttpStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kFailedPrecondition:
      return 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

std::string ErrorBody(int http_status, const absl::Status& status) {
  const auto text_or_null = [](std::string text) {
    return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(std::move(text));
  };
  const nlohmann::ordered_json body = {{"error",
                                        {{"message", std::string(status.message())},
                                         {"type", ErrorType(http_status)},
                                         {"param", text_or_null(ErrorParameter(status))},
                                         {"code", text_or_null(Payload(status, kCode))}}}};
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace sojourn::serve
