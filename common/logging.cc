#include "common/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/suggest.h"

namespace sojourn {

absl::Status InitLogging(const std::string& process, const std::string& level) {
  static const auto* const levels =
      new std::vector<std::string>{"debug", "info", "warning", "error", "off"};
  if (std::find(levels->begin(), levels->end(), level) == levels->end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("log level \"", level, "\" is unknown; known: ", absl::StrJoin(*levels, ", "),
                     Suggest(level, *levels)));
  }
  auto logger =
      std::make_shared<spdlog::logger>(process, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      absl::StrCat("%Y-%m-%dT%H:%M:%S.%eZ ", absl::StrReplaceAll(process, {{"%", "%%"}}), " %L %v"),
      spdlog::pattern_time_type::utc));
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

}  // namespace sojourn
