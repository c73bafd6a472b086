#include "serve/model_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "serve/chat_prompt.h"

namespace sojourn::serve {
namespace {

using ::testing::ElementsAre;

class ModelSettingsTest : public ::testing::Test {
 protected:
  ~ModelSettingsTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(WriteFileAtomically(absl::StrCat(folder_, "/", name), text).ok());
  }
  absl::StatusOr<ModelSettings> Read() const { return ReadModelSettings(folder_, *tokenizer_); }

  const std::string folder_ = ::testing::TempDir() + absl::StrCat("model-settings-", getpid());
  const std::unique_ptr<policy::Tokenizer> tokenizer_ =
      *policy::Tokenizer::Load("models/base/tokenizer.json");
  const int32_t end_ = tokenizer_->SpecialId("<|im_end|>");
};

TEST_F(ModelSettingsTest, WithoutFilesAChatMlTokenizerSpeaksChatMl) {
  const auto settings = Read();
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->chat_template, kChatMl);
  EXPECT_THAT(settings->eos_tokens, ElementsAre(end_));
  EXPECT_EQ(settings->sampling.temperature, 1);
}

TEST_F(ModelSettingsTest, FilesSayHowTheModelIsTalkedTo) {
  Write("config.json", R"({"eos_token_id": [7, 100000]})");
  Write("generation_config.json",
        R"({"eos_token_id": [7, 8], "temperature": 0.6, "top_p": 0.9, "top_k": 20})");
  Write("tokenizer_config.json",
        R"({"bos_token": null, "eos_token": {"content": "<|endoftext|>"},
            "chat_template": [{"name": "tool_use", "template": "T"},
                              {"name": "default", "template": "D"}]})");
  auto settings = Read();
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->chat_template, "D");
  EXPECT_EQ(settings->bos, "");
  EXPECT_EQ(settings->eos, "<|endoftext|>");
  EXPECT_THAT(settings->eos_tokens, ElementsAre(7, 8, tokenizer_->SpecialId("<|endoftext|>")));
  EXPECT_EQ(settings->sampling.temperature, 0.6);
  EXPECT_EQ(settings->sampling.top_p, 0.9);
  EXPECT_EQ(settings->sampling.top_k, 20);
  Write("chat_template.jinja", "J");
  Write("generation_config.json", R"({"do_sample": false, "temperature": 0.6})");
  settings = Read();
  EXPECT_EQ(settings->chat_template, "J");
  EXPECT_EQ(settings->sampling.temperature, 0);
}

TEST_F(ModelSettingsTest, AMalformedFileIsNamed) {
  Write("generation_config.json", "[");
  EXPECT_THAT(std::string(Read().status().message()),
              ::testing::HasSubstr("generation_config.json"));
}

}  // namespace
}  // namespace sojourn::serve
