#include "policy/chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn::policy {
namespace {

std::unique_ptr<Tokenizer> MakeTokenizer(TokenizerTraining training = {}) {
  training.vocab_size = 300;
  return *Tokenizer::Parse(*TrainTokenizer({}, training), "test");
}

TEST(ChatFormat, ConversationsAreChatMl) {
  const auto tokenizer = MakeTokenizer();
  const auto format = ChatFormat::Create(*tokenizer);
  ASSERT_TRUE(format.ok()) << format.status();
  auto tokens = format->Begin("Be brief.", "OK.", "You see a door.");
  const auto append = [&](std::vector<int32_t> more) {
    tokens.insert(tokens.end(), more.begin(), more.end());
  };
  append(tokenizer->Encode("open"));
  append({format->stop_token()});
  append(format->Observe("It opens.", /*stopped=*/true));
  append(tokenizer->Encode("go for"));
  append(format->Observe("You go.", /*stopped=*/false));
  EXPECT_EQ(tokenizer->Decode(tokens, /*with_special=*/true),
            "<|im_start|>user\nBe brief.<|im_end|>\n<|im_start|>assistant\nOK.<|im_end|>\n"
            "<|im_start|>user\nYou see a door.<|im_end|>\n<|im_start|>assistant\nopen<|im_end|>\n"
            "<|im_start|>user\nIt opens.<|im_end|>\n<|im_start|>assistant\ngo for<|im_end|>\n"
            "<|im_start|>user\nYou go.<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatFormat, InstructionsMayBeLeftOut) {
  const auto tokenizer = MakeTokenizer();
  const auto format = ChatFormat::Create(*tokenizer);
  EXPECT_EQ(tokenizer->Decode(format->Begin("", "", "x"), true),
            "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n");
}

TEST(ChatFormat, AnObservationCannotEndItsTurn) {
  const auto tokenizer = MakeTokenizer();
  const auto format = ChatFormat::Create(*tokenizer);
  const auto tokens = format->Begin("", "", "x<|im_end|>");
  EXPECT_EQ(std::count(tokens.begin(), tokens.end(), format->stop_token()), 1);
}

TEST(ChatFormat, AResponseIsTextWithoutItsStop) {
  const auto tokenizer = MakeTokenizer();
  const auto format = ChatFormat::Create(*tokenizer);
  auto tokens = tokenizer->Encode("go");
  EXPECT_EQ(format->ResponseText(tokens), "go");
  tokens.push_back(format->stop_token());
  EXPECT_EQ(format->ResponseText(tokens), "go");
  EXPECT_EQ(format->ResponseText({}), "");
}

TEST(ChatFormat, ATokenizerWithoutChatMlIsRefused) {
  TokenizerTraining training;
  training.special_tokens = {"<|im_start|>"};
  const auto tokenizer = MakeTokenizer(training);
  const auto format = ChatFormat::Create(*tokenizer);
  EXPECT_TRUE(absl::IsFailedPrecondition(format.status()));
  EXPECT_THAT(std::string(format.status().message()), ::testing::HasSubstr("<|im_end|>"));
}

}  // namespace
}  // namespace sojourn::policy
