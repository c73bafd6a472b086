#include "sft/recorded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files.h"

namespace sojourn::sft {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<std::vector<Demonstration>> Read(const std::string& text) {
  const std::string path = testing::TempDir() + "/recorded.json";
  EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  return ReadRecorded(path);
}

TEST(Recorded, LinesOfMessagesBecomeTurns) {
  const auto read = Read(R"({"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"},
      {"role": "assistant", "content": "Hello"}, {"role": "tool", "content": "42"},
      {"role": "assistant", "content": "It is 42", "loss": false}, {"role": "user", "content": "Bye"}]})");
  // Written over several lines it is no JSON line; in one line it is.
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("recorded.json:1: is no JSON"));
  const auto line = Read(
      "{\"messages\": [{\"role\": \"system\", \"content\": \"Be kind.\"}, {\"role\": \"user\", \"content\": \"Hi\"}, "
      "{\"role\": \"assistant\", \"content\": \"Hello\"}, {\"role\": \"tool\", \"content\": \"42\"}, "
      "{\"role\": \"assistant\", \"content\": \"It is 42\", \"loss\": false}, {\"role\": \"user\", \"content\": \"Bye\"}]}\n\n");
  ASSERT_TRUE(line.ok()) << line.status();
  ASSERT_EQ(line->size(), 1);
  const Demonstration& d = line->front();
  EXPECT_EQ(d.instructions, "");
  ASSERT_EQ(d.turns.size(), 2);
  EXPECT_EQ(d.turns[0].observation, "Be kind.\n\nHi");
  EXPECT_TRUE(d.turns[0].target);
  EXPECT_EQ(d.turns[1].response, "It is 42");
  EXPECT_FALSE(d.turns[1].target);
}

TEST(Recorded, AgentGymsConversationsBeginWithInstructionsAndTheirAcceptance) {
  const auto read = Read(R"([{"item_id": "x_1", "conversations": [
      {"from": "human", "loss": null, "value": "Rules."}, {"from": "gpt", "loss": false, "value": "OK."},
      {"from": "human", "loss": null, "value": "See."}, {"from": "gpt", "loss": true, "value": "Do."}]}])");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->front().instructions, "Rules.");
  EXPECT_EQ(read->front().acceptance, "OK.");
  ASSERT_EQ(read->front().turns.size(), 1);
  EXPECT_EQ(read->front().turns[0].observation, "See.");
}

TEST(Recorded, FaultsNameTheirPlace) {
  const std::pair<const char*, const char*> faults[] = {
      {"", "holds no conversations"},
      {"[{]", "no JSON array"},
      {"{}", "recorded.json:1: has no list"},
      {"7", "has no list"},
      {"\n{\"messages\": [3]}", "recorded.json:2, message 1"},
      {"{\"messages\": [{\"role\": \"assistant\", \"content\": \"x\"}]}", "answers none"},
      {"{\"messages\": [{\"role\": \"critic\", \"content\": \"x\"}]}", "unknown role \"critic\""},
      {"{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}", "to learn from"},
      {"{\"messages\": [{\"role\": \"user\", \"content\": \"x\", \"loss\": 1}]}", "neither true nor false"}};
  for (const auto& [text, fault] : faults) {
    const auto read = Read(text);
    EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(read.status().message()), HasSubstr(fault));
  }
  EXPECT_EQ(ReadRecorded("/nowhere/x.json").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sojourn::sft
