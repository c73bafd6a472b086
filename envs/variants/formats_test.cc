#include "envs/variants/formats.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sojourn::envs::variants {
namespace {

using ::testing::HasSubstr;

TEST(FormatsTest, WhatIsWrittenIsReadAgain) {
  for (const char* name : {"line", "json", "tags"}) {
    const Format* format = FindFormat(name);
    ASSERT_NE(format, nullptr);
    for (const char* action : {"turn left", "craft 1 a using 2 b, 3 c",
                               "<search>who \"is\" {x}\\</search>", "click[é]"}) {
      for (const char* thought : {"", "I think.", "{not json} \"quoted"}) {
        const auto read = format->read(format->write(thought, action));
        ASSERT_TRUE(read.ok()) << name << ": " << read.status();
        EXPECT_EQ(*read, action) << name;
      }
    }
  }
  EXPECT_EQ(FindFormat("yaml"), nullptr);
}

TEST(FormatsTest, ResponsesOfAnotherFormAreToldTheForm) {
  for (const char* name : {"line", "json", "tags"}) {
    const Format* format = FindFormat(name);
    for (const char* response :
         {"", "turn left", "{", "<action>turn left", "{\"name\": \"act\"}", "{{{{{{{{\"\\"}) {
      const auto read = format->read(response);
      EXPECT_EQ(read.status().code(), absl::StatusCode::kInvalidArgument)
          << name << ": " << response;
      EXPECT_THAT(std::string(read.status().message()), HasSubstr("Error: No action was found"));
    }
    const std::string one = format->write("", "turn left");
    EXPECT_THAT(std::string(format->read(one + "\n" + one).status().message()),
                HasSubstr("Only one"));
  }
}

TEST(FormatsTest, ToolCallsAreFoundInWhateverSurroundsThem) {
  const Format* json = FindFormat("json");
  for (const char* response :
       {"<tool_call>\n{\"name\": \"act\", \"arguments\": {\"action\": \"drop\"}}\n</tool_call>",
        "{a} {\"name\":\"other\",\"arguments\":{\"action\":\"no\"}} "
        "{\"name\":\"act\",\"arguments\":{\"action\":\"drop\"}}",
        "```json\n{\n  \"arguments\": {\"action\": \"drop\"},\n  \"name\": \"act\"\n}\n```"}) {
    const auto read = json->read(response);
    ASSERT_TRUE(read.ok()) << response << ": " << read.status();
    EXPECT_EQ(*read, "drop");
  }
}

}  // namespace
}  // namespace sojourn::envs::variants
