#include "policy/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/random.h"

namespace sojourn::policy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kPattern[] =
    R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+)";

TokenizerTraining Training() {
  TokenizerTraining training;
  training.vocab_size = 330;
  training.split_pattern = kPattern;
  training.whole_words = {"oak planks", " oak planks", " oak", " turn left"};
  return training;
}

std::vector<std::string> Texts() {
  std::vector<std::string> texts;
  for (int i = 0; i < 20; ++i) {
    texts.push_back(
        absl::StrCat("Thought:\nI need the oak planks.\n\nAction:\nget ", i, " oak planks"));
    texts.push_back(
        "Thought:\nThe door is ahead.\n\nAction:\nturn left or turn right, then go forward");
  }
  return texts;
}

std::unique_ptr<Tokenizer> Make(const TokenizerTraining& training) {
  const auto json = TrainTokenizer(Texts(), training);
  EXPECT_TRUE(json.ok()) << json.status();
  auto tokenizer = Tokenizer::Parse(*json, "test");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

// The fixtures hold what PyPI's `tokenizers` 0.23 answers with the same file, special tokens not
// looked for: ours.json was written by TrainTokenizer, gpt2.json by its own trainer (Digits, then
// ByteLevel with its pattern).
class TokenizerFixture : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerFixture, EncodesAsPyPiTokenizersDoes) {
  const std::string stem = absl::StrCat("policy/testdata/", GetParam());
  const auto tokenizer = Tokenizer::Load(stem + ".json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const auto text = ReadFile(stem + ".answers.json");
  ASSERT_TRUE(text.ok()) << text.status();
  const auto answers = nlohmann::json::parse(*text);
  ASSERT_GE(answers.size(), 20);
  for (const auto& answer : answers) {
    const std::string input = answer[0];
    EXPECT_EQ((*tokenizer)->Encode(input), answer[1].get<std::vector<int32_t>>()) << input;
    EXPECT_EQ((*tokenizer)->Decode((*tokenizer)->Encode(input)), input);
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TokenizerFixture, ::testing::Values("ours", "gpt2"));

TEST(Tokenizer, TrainingIsDeterministicAndWritesWhatTheFixtureHolds) {
  const auto json = TrainTokenizer(Texts(), Training());
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*json, *TrainTokenizer(Texts(), Training()));
  EXPECT_EQ(*json, *ReadFile("policy/testdata/ours.json"));
}

TEST(Tokenizer, EveryTextComesBackAndBytesThatAreNoTextAreReplaced) {
  const auto tokenizer = Make(Training());
  Random random{RandomKey(11)};
  for (int round = 0; round < 200; ++round) {
    std::string text, expected;
    for (uint64_t n = random.Below(60); n > 0; --n) {
      if (random.Below(3) == 0) {
        // Bytes of which none begins or continues a character.
        const bool bad = random.Below(2) == 0;
        const std::string piece(
            1, static_cast<char>(bad ? 0xF8 + random.Below(8) : random.Below(128)));
        text += piece;
        expected += bad ? "\xEF\xBF\xBD" : piece;
      } else {
        text += Texts()[1].substr(random.Below(40), 3);
        expected += text.substr(text.size() - 3);
      }
    }
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), expected) << "round " << round;
  }
}

TEST(Tokenizer, WholeWordsAreOneTokenWhereTheyStandAlone) {
  const auto tokenizer = Make(Training());
  for (const char* word : {"oak planks", " oak planks", " turn left", " oak"}) {
    EXPECT_THAT(tokenizer->Encode(word), SizeIs(1)) << word;
  }
  const int32_t planks = tokenizer->Encode(" oak planks")[0];
  EXPECT_THAT(tokenizer->Encode("get 2 oak planks."), ::testing::Contains(planks));
  EXPECT_THAT(tokenizer->Encode("get 2 oak plankses"), ::testing::Not(::testing::Contains(planks)));
  EXPECT_THAT(tokenizer->Encode("soak planks"),
              ::testing::Not(::testing::Contains(tokenizer->Encode("oak planks")[0])));
}

TEST(Tokenizer, ATextCannotForgeASpecialToken) {
  const auto tokenizer = Make(Training());
  const int32_t end = tokenizer->SpecialId("<|im_end|>");
  ASSERT_GE(end, 0);
  const auto ids = tokenizer->Encode("a<|im_end|>b");
  EXPECT_THAT(ids, ::testing::Not(::testing::Contains(end)));
  EXPECT_EQ(tokenizer->Decode(ids), "a<|im_end|>b");
  EXPECT_EQ(tokenizer->Decode({end}), "");
  EXPECT_EQ(tokenizer->Decode({end}, /*with_special=*/true), "<|im_end|>");
  EXPECT_EQ(tokenizer->SpecialId("<|nothing|>"), -1);
}

TEST(Tokenizer, UnknownIdsGiveNothing) {
  const auto tokenizer = Make(Training());
  EXPECT_EQ(tokenizer->vocab_size(), 318);  // of at most 330: then no pair came twice
  EXPECT_EQ(tokenizer->Decode({-1, 318, 1 << 30}), "");
}

TEST(Tokenizer, WithoutAPatternWholeTextsAreOnePiece) {
  TokenizerTraining training;
  training.vocab_size = 300;
  const auto tokenizer = Make(training);
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode("Thought:\nturn left")), "Thought:\nturn left");
}

TEST(Tokenizer, TrainingRefusesWhatCannotBe) {
  TokenizerTraining small;
  small.vocab_size = 258;
  EXPECT_THAT(std::string(TrainTokenizer({}, small).status().message()), HasSubstr("need 259"));
  TokenizerTraining pattern;
  pattern.split_pattern = "(x";
  EXPECT_THAT(std::string(TrainTokenizer({}, pattern).status().message()),
              HasSubstr("split_pattern"));
  TokenizerTraining twice;
  twice.whole_words = {"oak", "oak"};
  EXPECT_THAT(std::string(TrainTokenizer({}, twice).status().message()), HasSubstr("given twice"));
}

TEST(Tokenizer, ErrorsNameTheFileAndThePlace) {
  const auto error = [](std::string json) {
    return std::string(Tokenizer::Parse(json, "t.json").status().message());
  };
  EXPECT_THAT(error("{"), HasSubstr("t.json: not JSON"));
  EXPECT_THAT(error("[]"), HasSubstr("t.json"));
  EXPECT_THAT(error("{}"), HasSubstr("model.type"));
  EXPECT_THAT(error(std::string(100000, '[')), HasSubstr("nested more than 64 deep"));
  const auto with = [](const char* at, nlohmann::json value) {
    auto json = nlohmann::json::parse(*TrainTokenizer(Texts(), Training()));
    json[nlohmann::json::json_pointer(at)] = std::move(value);
    return json.dump();
  };
  EXPECT_THAT(error(with("/model/type", "WordPiece")),
              AllOf(HasSubstr("model.type"), HasSubstr("BPE")));
  EXPECT_THAT(error(with("/model/merges/3", "a")), HasSubstr("model.merges[3]"));
  EXPECT_THAT(error(with("/model/vocab/a", -1)), HasSubstr("model.vocab[\"a\"]"));
  EXPECT_THAT(error(with("/normalizer", {{"type", "Nmt"}})), HasSubstr("normalizer"));
  EXPECT_THAT(error(with("/pre_tokenizer/pretokenizers/0/pattern/Regex", "[")),
              HasSubstr("pretokenizers[0]"));
  EXPECT_THAT(error(with("/added_tokens/0/id", "x")), HasSubstr("added_tokens[0]"));
  EXPECT_TRUE(absl::IsNotFound(Tokenizer::Load("no/such/file").status()));
}

TEST(Tokenizer, BrokenFilesAreErrorsNotCrashes) {
  const std::string json = *TrainTokenizer(Texts(), Training());
  Random random{RandomKey(12)};
  for (int round = 0; round < 300; ++round) {
    std::string broken = json.substr(random.Below(2) ? 0 : random.Below(50), json.size());
    for (int i = 0; i < 3; ++i)
      broken[random.Below(broken.size())] = static_cast<char>(random.Below(256));
    (void)Tokenizer::Parse(broken, "broken");
  }
}

}  // namespace
}  // namespace sojourn::policy
