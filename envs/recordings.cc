#include "envs/recordings.h"

#include <lzma.h>

#include <array>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/files.h"

namespace sojourn::envs {
namespace {

absl::StatusOr<std::string> Unpack(std::string_view packed) {
  lzma_stream stream = LZMA_STREAM_INIT;
  lzma_ret result = lzma_stream_decoder(&stream, UINT64_MAX, LZMA_CONCATENATED);
  stream.next_in = reinterpret_cast<const uint8_t*>(packed.data());
  stream.avail_in = packed.size();
  std::string text;
  std::array<char, 1 << 16> buffer;
  while (result == LZMA_OK) {
    stream.next_out = reinterpret_cast<uint8_t*>(buffer.data());
    stream.avail_out = buffer.size();
    result = lzma_code(&stream, LZMA_FINISH);
    text.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  lzma_end(&stream);
  if (result == LZMA_STREAM_END) return text;
  return absl::DataLossError(absl::StrCat("not a whole .xz file (liblzma's code ", result, ")"));
}

}  // namespace

absl::StatusOr<std::string> ReadRecordingText(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (text.ok() && absl::EndsWith(path, ".xz")) {
    text = Unpack(*text);
    if (!text.ok()) return absl::DataLossError(absl::StrCat(path, ": ", text.status().message()));
  }
  return text;
}

absl::StatusOr<std::vector<nlohmann::json>> ReadRecording(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadRecordingText(path);
  if (!text.ok()) return text.status();
  std::vector<nlohmann::json> lines;
  for (const std::string_view line : absl::StrSplit(*text, '\n', absl::SkipWhitespace())) {
    nlohmann::json parsed = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (parsed.is_discarded()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": line ", lines.size() + 1, " is not JSON"));
    }
    lines.push_back(std::move(parsed));
  }
  return lines;
}

absl::StatusOr<std::vector<std::string>> ReplayRecording(const std::string& path,
                                                         const Replay& replay) {
  const absl::StatusOr<std::vector<nlohmann::json>> lines = ReadRecording(path);
  if (!lines.ok()) return lines.status();
  std::vector<std::string> all;
  for (size_t i = 0; i < lines->size(); ++i) {
    const auto differences = replay((*lines)[i]);
    if (!differences.ok()) {
      return absl::Status(
          differences.status().code(),
          absl::StrCat(path, ": line ", i + 1, ": ", differences.status().message()));
    }
    for (const std::string& difference : *differences) {
      all.push_back(absl::StrCat("line ", i + 1, ": ", difference));
    }
  }
  return all;
}

}  // namespace sojourn::envs
