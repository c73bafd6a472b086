#include "envs/recordings.h"

#include <lzma.h>

#include <array>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string WriteTemporary(const std::string& name, std::string_view content) {
  const std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string Pack(const std::string& text) {
  std::array<uint8_t, 1024> packed;
  size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC64, nullptr,
                                    reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                                    packed.data(), &size, packed.size()),
            LZMA_OK);
  return std::string(reinterpret_cast<char*>(packed.data()), size);
}

TEST(RecordingsTest, ReadsLinesBareAndPacked) {
  const std::string text = "{\"a\": 1}\n\n[2]\n";
  for (const std::string& path :
       {WriteTemporary("r.jsonl", text), WriteTemporary("r.jsonl.xz", Pack(text))}) {
    const auto lines = ReadRecording(path);
    ASSERT_TRUE(lines.ok()) << lines.status();
    EXPECT_THAT(*lines, ElementsAre(nlohmann::json{{"a", 1}}, nlohmann::json{2}));
  }
}

TEST(RecordingsTest, SaysWhichFileOrLineIsBroken) {
  EXPECT_EQ(ReadRecording("/nowhere/r.jsonl").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(ReadRecording(WriteTemporary("bad.jsonl", "{}\n{")).status().message(),
              HasSubstr("line 2"));
  const std::string packed = Pack("{}\n");
  EXPECT_EQ(
      ReadRecording(WriteTemporary("cut.xz", packed.substr(0, packed.size() - 5))).status().code(),
      absl::StatusCode::kDataLoss);
}

TEST(RecordingsTest, NumbersTheDifferences) {
  const std::string path = WriteTemporary("two.jsonl", "1\n2\n");
  const auto differences = ReplayRecording(
      path, [](const nlohmann::json& line) -> absl::StatusOr<std::vector<std::string>> {
        if (line == 1) return std::vector<std::string>{};
        return std::vector<std::string>{"is two"};
      });
  ASSERT_TRUE(differences.ok()) << differences.status();
  EXPECT_THAT(*differences, ElementsAre("line 2: is two"));
}

}  // namespace
}  // namespace sojourn::envs
