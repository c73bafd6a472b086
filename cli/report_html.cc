#include "cli/report_html.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_replace.h"
#include "cli/report_page.h"

namespace sojourn::cli {

std::string ReportHtml(const nlohmann::json& report) {
  // Inside a script element only "<" could end it; everything is shown as text by the page.
  const std::string json = absl::StrReplaceAll(
      report.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace), {{"<", "\\u003c"}});
  return absl::StrReplaceAll(kReportPage, {{"REPORT_JSON", json}});
}

}  // namespace sojourn::cli
