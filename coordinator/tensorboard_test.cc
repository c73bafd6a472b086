#include "coordinator/tensorboard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "common/crc32c.h"

namespace sojourn::coordinator {
namespace {

using ::testing::HasSubstr;

// Splits records and checks their lengths and checksums, as TensorBoard does.
std::vector<std::string> Events(const std::string& file) {
  const auto unmask = [](uint32_t masked) {
    const uint32_t rotated = masked - 0xa282ead8u;
    return rotated << 15 | rotated >> 17;
  };
  std::vector<std::string> events;
  for (size_t at = 0; at < file.size();) {
    uint64_t length = 0;
    uint32_t length_crc = 0, event_crc = 0;
    std::memcpy(&length, &file[at], 8);
    std::memcpy(&length_crc, &file[at + 8], 4);
    EXPECT_EQ(unmask(length_crc), Crc32c(0, file.substr(at, 8)));
    events.push_back(file.substr(at + 12, length));
    std::memcpy(&event_crc, &file[at + 12 + length], 4);
    EXPECT_EQ(unmask(event_crc), Crc32c(0, events.back()));
    at += 16 + length;
  }
  return events;
}

TEST(Tensorboard, WritesRecordsThatCheckOut) {
  v1::UpdateRecord record;
  record.mutable_metrics()->set_version(300);
  record.mutable_metrics()->set_entropy(0.5);
  auto* success = record.add_success();
  success->set_environment("babyai");
  success->set_difficulty(5);
  success->set_success(1);
  const auto events = Events(TensorboardHeader() + TensorboardRecord(record));
  ASSERT_EQ(events.size(), 2);
  EXPECT_THAT(events[0], HasSubstr("brain.Event:2"));
  EXPECT_THAT(events[1], HasSubstr(std::string("\x0a\x0eupdate/entropy\x15\x00\x00\x00\x3f", 21)));
  EXPECT_THAT(events[1], HasSubstr(std::string("success/babyai/5\x15\x00\x00\x80\x3f", 21)));
  EXPECT_THAT(events[1], HasSubstr(std::string("\x10\xac\x02", 3)));   // step 300
}

}  // namespace
}  // namespace sojourn::coordinator
