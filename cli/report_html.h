// A report (coordinator/results.h) as one self-contained page.
#ifndef SOJOURN_CLI_REPORT_HTML_H_
#define SOJOURN_CLI_REPORT_HTML_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace sojourn::cli {

// Learning curves, the matrix as a heat map, the arms side by side and a few trajectories to read.
// Nothing is loaded from elsewhere; all text from models and environments is escaped.
std::string ReportHtml(const nlohmann::json& report);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_REPORT_HTML_H_
