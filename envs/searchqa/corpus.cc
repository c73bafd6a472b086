#include "envs/searchqa/corpus.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "envs/python_text.h"
#include "envs/searchqa/json_lines.h"

namespace sojourn::envs::searchqa {

absl::StatusOr<std::string> ParsePassage(std::string_view line) {
  auto object = ParseObject(line);
  if (!object.ok()) return object.status();
  const std::string* const contents = FindString(*object, "contents");
  if (contents == nullptr) {
    return absl::InvalidArgumentError(
        "has no \"contents\"; expected {\"id\": ..., \"contents\": \"\\\"TITLE\\\"\\nTEXT\"}");
  }
  if (StripSpace(*contents).empty()) return absl::InvalidArgumentError("\"contents\" is empty");
  return *contents;
}

std::string PassageLine(int64_t id, std::string_view contents) {
  return nlohmann::ordered_json({{"id", absl::StrCat(id)}, {"contents", std::string(contents)}})
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::Status AddCorpus(const std::string& path, IndexBuilder& builder, Faults* faults,
                       const IndexBuilder::Progress& progress) {
  auto file = LineFile::Open(path);
  if (!file.ok()) return file.status();
  for (std::string_view line; file->Next(&line);) {
    if (progress != nullptr && file->number() % 1024 == 0 &&
        !progress(static_cast<double>(file->bytes_read()) / std::max<int64_t>(1, file->bytes()))) {
      return absl::CancelledError(absl::StrCat(path, ": stopped at line ", file->number()));
    }
    if (StripSpace(line).empty()) continue;
    const auto fault = [&](std::string_view what) {
      faults->Add(absl::StrCat(path, ":", file->number(), ": ", what, "; the line is left out"));
    };
    if (file->too_long()) {
      fault(absl::StrCat("longer than ", kMaxLineBytes, " bytes"));
      continue;
    }
    const auto passage = ParsePassage(line);
    if (!passage.ok()) {
      fault(passage.status().message());
      continue;
    }
    if (absl::Status added = builder.Add(*passage); !added.ok()) return added;
  }
  return file->status();
}

}  // namespace sojourn::envs::searchqa
