// A report (coordinator/results.h) as tables for people.
#ifndef SOJOURN_CLI_TABLES_H_
#define SOJOURN_CLI_TABLES_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace sojourn::cli {

// Columns aligned, the first to the left; the first row is the heading.
std::string Table(const std::vector<std::vector<std::string>>& rows, bool colour);

// Rows of a matrix, column by column: success, and how the episodes went. What random actions give stands under
// each.
std::string EvalTables(const nlohmann::json& rows, bool colour);

// Per arm the transfer matrix and the continual-learning measures, then the arms side by side.
std::string ReportTables(const nlohmann::json& report, bool colour);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_TABLES_H_
