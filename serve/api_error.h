// Errors in the shape of OpenAI's API: {"error": {"message", "type", "param", "code"}} under an
// HTTP status. Within the program they are absl::Status; the parameter's name and OpenAI's code
// travel in its payloads.
#ifndef SOJOURN_SERVE_API_ERROR_H_
#define SOJOURN_SERVE_API_ERROR_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sojourn::serve {

// `parameter` as the client wrote it, with its place: "messages[2].role". The message begins with
// it.
absl::Status ParameterError(std::string_view parameter, std::string_view message,
                            std::string_view code = "");
// The same error with `code`, such as "model_not_found".
absl::Status WithCode(absl::Status status, std::string_view code);

std::string ErrorParameter(const absl::Status& status);  // empty when it is about none
int HttpStatus(const absl::Status& status);              // 400 to 504

// The body; the type follows from the HTTP status.
std::string ErrorBody(int http_status, const absl::Status& status);
inline std::string ErrorBody(const absl::Status& status) {
  return ErrorBody(HttpStatus(status), status);
}

}  // namespace sojourn::serve

#endif  // SOJOURN_SERVE_API_ERROR_H_
