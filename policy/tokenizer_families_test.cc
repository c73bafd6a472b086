// Families of tokenizers, beside what PyPI's `tokenizers` 0.23.3 answers with the same files
// (tests/oracles/make_tokenizer_fixtures.py).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/files.h"
#include "common/random.h"
#include "policy/tokenizer.h"

namespace sojourn::policy {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Ids = std::vector<int32_t>;

nlohmann::json Fixture(const std::string& name) {
  return nlohmann::json::parse(*ReadFile(absl::StrCat("policy/testdata/families/", name, ".json")));
}

std::unique_ptr<Tokenizer> Family(const std::string& name) {
  return *Tokenizer::Parse(Fixture(name)["tokenizer"].dump(), name);
}

class TokenizerFamily : public ::testing::TestWithParam<const char*> {};

TEST_P(TokenizerFamily, EncodesAsPyPiTokenizersDoes) {
  const nlohmann::json fixture = Fixture(GetParam());
  const auto tokenizer = Tokenizer::Parse(fixture["tokenizer"].dump(), GetParam());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ASSERT_GE(fixture["encoded"].size(), 30);
  for (const auto& answer : fixture["encoded"]) {
    const std::string text = answer[0];
    EXPECT_EQ((*tokenizer)->Encode(text), answer[1].get<Ids>()) << text;
    EXPECT_EQ((*tokenizer)->Encode(text, {.parse_special = true, .add_special = true}),
              (answer[2].is_null() ? answer[1] : answer[2]).get<Ids>())
        << text;
  }
}

TEST_P(TokenizerFamily, DecodesAsPyPiTokenizersDoesAtOnceAndAsAStream) {
  const nlohmann::json fixture = Fixture(GetParam());
  const auto tokenizer = Tokenizer::Parse(fixture["tokenizer"].dump(), GetParam());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  for (const auto& answer : fixture["decoded"]) {
    const Ids ids = answer[0];
    for (const bool with_special : {false, true}) {
      const std::string text = answer[with_special ? 2 : 1];
      EXPECT_EQ((*tokenizer)->Decode(ids, with_special), text);
      StreamDecoder stream = (*tokenizer)->Stream(with_special);
      std::string streamed;
      for (const int32_t id : ids) streamed += stream.Add(id);
      EXPECT_EQ(streamed + stream.Finish(), text);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, TokenizerFamily,
                         ::testing::Values("smollm2", "qwen3", "llama3", "tekken", "llama2",
                                           "mistral", "gemma", "added", "split"));

TEST(TokenizerFamilies, AStreamGivesOutOnlyWholeCharacters) {
  const auto tokenizer = Family("smollm2");
  StreamDecoder stream = tokenizer->Stream();
  std::vector<std::string> parts;
  for (const int32_t id : tokenizer->Encode("\xE2\x82\xAC!")) parts.push_back(stream.Add(id));
  EXPECT_THAT(parts, ::testing::ElementsAre("", "", "\xE2\x82\xAC", "!"));
  EXPECT_EQ(stream.Add(tokenizer->Encode("\xE2\x82\xAC")[0]), "");
  EXPECT_EQ(stream.Finish(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.Finish(), "");
}

TEST(TokenizerFamilies, PartsAreOneTextButForgeNoSpecialToken) {
  const auto tokenizer = Family("smollm2");
  const int32_t start = tokenizer->SpecialId("<|im_start|>"),
                end = tokenizer->SpecialId("<|im_end|>");
  const std::vector<TextPart> parts = {{"<|im_start|>user\nthe d", true},
                                       {"oor<|im_end|> <|im", false},
                                       {"_end|><|im_end|>\n", true}};
  Ids expected = {start};
  const auto append = [&](const Ids& ids) {
    expected.insert(expected.end(), ids.begin(), ids.end());
  };
  append(tokenizer->Encode("user\nthe door<|im_end|> <|im_end|>"));
  append({end});
  append(tokenizer->Encode("\n"));
  EXPECT_EQ(tokenizer->EncodeParts(parts), expected);
}

TEST(TokenizerFamilies, LongWordsAreNotSlow) {
  // Quadratic work would take minutes.
  const auto tokenizer = Family("llama2");
  std::string text;
  for (int i = 0; i < 300000; ++i) text += "ab"[i % 7 * i % 7 % 2];
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text)), text);
  EXPECT_EQ(Family("gemma")->Encode(std::string(300000, '\n')).size(), 150000);
}

TEST(TokenizerFamilies, PartsOfAGgufFileGiveWhatTheJsonGives) {
  for (const auto& [family, pre] :
       std::vector<std::pair<std::string, std::string>>{{"smollm2", "smollm"},
                                                        {"qwen3", "qwen2"},
                                                        {"llama3", "llama-bpe"},
                                                        {"tekken", "tekken"}}) {
    const nlohmann::json fixture = Fixture(family);
    const nlohmann::json& json = fixture["tokenizer"];
    TokenizerParts parts{.model = "gpt2", .pre = pre};
    const auto set = [&](const std::string& token, size_t id, int type) {
      if (id >= parts.tokens.size()) parts.tokens.resize(id + 1);
      if (id >= parts.token_types.size()) parts.token_types.resize(id + 1, 1);
      parts.tokens[id] = token;
      parts.token_types[id] = type;
    };
    for (const auto& [token, id] : json["model"]["vocab"].items()) set(token, id, 1);
    for (const auto& token : json["added_tokens"])
      set(token["content"], token["id"], token["special"].get<bool>() ? 3 : 4);
    for (const auto& merge : json["model"]["merges"])
      parts.merges.push_back(
          absl::StrCat(merge[0].get<std::string>(), " ", merge[1].get<std::string>()));
    const auto tokenizer = Tokenizer::FromParts(parts);
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    for (const auto& answer : fixture["encoded"]) {
      const std::string text = answer[0];
      EXPECT_EQ((*tokenizer)->Encode(text), answer[1].get<Ids>()) << family << ": " << text;
    }
    parts.add_bos = true;
    EXPECT_THAT(std::string(Tokenizer::FromParts(parts).status().message()),
                HasSubstr("bos_token_id"));
    parts.pre = "nobody";
    EXPECT_THAT(std::string(Tokenizer::FromParts(parts).status().message()),
                AllOf(HasSubstr("nobody"), HasSubstr("smollm")));
  }
}

TEST(TokenizerFamilies, ScoresMergeTheBestTokenFirst) {
  TokenizerParts parts{.model = "llama",
                       .tokens = {"<unk>", "<s>", "</s>", "\xE2\x96\x81", "a", "b", "c", "ab", "bc",
                                  "\xE2\x96\x81"
                                  "a",
                                  "<0x0A>"},
                       .scores = {0, 0, 0, -9, -9, -9, -9, -2, -1, -3, 0},
                       .token_types = {2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 6},
                       .bos_id = 1,
                       .unknown_id = 0,
                       .add_bos = true};
  const auto tokenizer = Tokenizer::FromParts(parts);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Encode("abc"), (Ids{9, 8}));
  EXPECT_EQ((*tokenizer)->Encode("c ab\nx</s>", {.add_special = true}),
            (Ids{1, 3, 6, 3, 7, 10, 0}));
  EXPECT_EQ((*tokenizer)->Encode("a</s>", {.parse_special = true}), (Ids{9, 2}));
  EXPECT_EQ((*tokenizer)->Decode(Ids{1, 9, 8, 10, 2}), "abc\n");
  TokenizerParts bytes = parts;
  bytes.tokens[5] = "\xFF";
  EXPECT_THAT(std::string(Tokenizer::FromParts(bytes).status().message()),
              HasSubstr("tokenizer.ggml.tokens[5] is not UTF-8"));
  parts.scores.pop_back();
  EXPECT_THAT(std::string(Tokenizer::FromParts(parts).status().message()),
              HasSubstr("tokenizer.ggml.scores: 10 scores for 11 tokens"));
}

// As PyPI's tokenizers 0.23.
TEST(TokenizerFamilies, AnAddedTokenThatTheOneBeforeItTookGivesNothing) {
  const auto tokenizer = Tokenizer::Parse(R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
      "added_tokens": [{"id": 1, "content": "A", "rstrip": true, "normalized": false},
                       {"id": 2, "content": " ", "lstrip": true, "normalized": false}]})", "t.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->Encode("A a"), (Ids{1, 0}));
  EXPECT_EQ((*tokenizer)->Encode("a a"), (Ids{0, 2, 0}));
}

TEST(TokenizerFamilies, WhatIsNotSupportedIsNamedWithItsPlace) {
  const auto error = [](const char* family, const char* at, nlohmann::json value) {
    auto json = Fixture(family)["tokenizer"];
    json[nlohmann::json::json_pointer(at)] = std::move(value);
    return std::string(Tokenizer::Parse(json.dump(), "t.json").status().message());
  };
  EXPECT_THAT(error("llama2", "/normalizer/normalizers/0", {{"type", "Precompiled"}}),
              AllOf(HasSubstr("t.json: normalizer.normalizers[0]"), HasSubstr("Precompiled")));
  EXPECT_THAT(error("llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", "[a&&[b]]"),
              AllOf(HasSubstr("pre_tokenizer.pretokenizers[0]"), HasSubstr("&&")));
  EXPECT_THAT(error("llama3", "/pre_tokenizer/pretokenizers/0/behavior", "Glued"),
              HasSubstr("pretokenizers[0].behavior"));
  EXPECT_THAT(error("llama2", "/decoder/decoders/1", {{"type", "CTC"}}),
              HasSubstr("decoder.decoders[1]"));
  EXPECT_THAT(error("llama3", "/post_processor/processors/1", {{"type", "BertProcessing"}}),
              HasSubstr("post_processor.processors[1]"));
  EXPECT_THAT(error("llama3", "/post_processor/processors/1/single/0/SpecialToken/id", "x"),
              HasSubstr("post_processor.processors[1].single[0]"));
  EXPECT_THAT(error("llama3", "/model/dropout", 0.1), HasSubstr("model.dropout"));
  EXPECT_THAT(error("llama2", "/model/unk_token", "nothing"), HasSubstr("model.unk_token"));
  EXPECT_THAT(error("llama3", "/added_tokens/0/id", 5), HasSubstr("added_tokens[0].id"));
}

TEST(TokenizerFamilies, BrokenFilesAreErrorsNotCrashes) {
  Random random{RandomKey(12)};
  for (const char* family : {"llama2", "llama3", "added", "split"}) {
    const std::string json = Fixture(family)["tokenizer"].dump();
    const size_t model = json.find("\"model\"");
    for (int round = 0; round < 150; ++round) {
      std::string broken = json;
      for (int i = 0; i < 2; ++i) {
        // The small parts before and after the model break in more ways than the vocabulary.
        const size_t at = random.Below(2) ? random.Below(broken.size()) : random.Below(model);
        random.Below(2) ? (void)broken.erase(at, 1 + random.Below(30))
                        : (void)broken.replace(at, 1, 1, "\"{[]}:,0-9aeE.tfn"[random.Below(17)]);
      }
      const auto tokenizer = Tokenizer::Parse(broken, "broken");
      if (tokenizer.ok())
        (*tokenizer)
            ->Decode((*tokenizer)
                         ->Encode("a b<s>\xFF \xE2\x82\xAC"
                                  "1"));
      (void)Tokenizer::Parse(json.substr(0, random.Below(json.size())), "truncated");
    }
  }
}

}  // namespace
}  // namespace sojourn::policy
