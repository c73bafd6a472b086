#include "policy/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/files.h"
#include "policy/model_testing.h"

namespace sojourn::policy {
namespace {

using ::testing::HasSubstr;

std::string File(const std::string& header, const std::string& data) {
  const uint64_t size = header.size();
  return std::string(reinterpret_cast<const char*>(&size), 8) + header + data;
}

std::string Fault(const std::string& bytes) {
  const auto parsed = ParseSafetensors(bytes, "some/file");
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("some/file"));
  return std::string(parsed.status().message());
}

TEST(Safetensors, SurvivesARoundTrip) {
  const Weights tensors = {{"a.weight", torch::arange(6, torch::kFloat).view({2, 3})},
                           {"b", torch::tensor({1.5, -2.0}, torch::kBFloat16)},
                           {"c", torch::tensor({int64_t{1} << 40}, torch::kLong)},
                           {"empty", torch::empty({0, 4})},
                           {"scalar", torch::tensor(3.0, torch::kDouble)}};
  const std::string path = testing::TempDir() + "/round_trip.safetensors";
  ASSERT_TRUE(WriteSafetensors(path, tensors).ok());
  const auto read = ReadSafetensors(path);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(read->at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(torch::equal(read->at(name), tensor)) << name;
  }
  EXPECT_EQ(SerializeSafetensors(*read), *ReadFile(path));
}

TEST(Safetensors, WritesTransposedTensorsInOrder) {
  const torch::Tensor matrix = torch::arange(6, torch::kFloat).view({2, 3}).t();
  const auto read = ParseSafetensors(SerializeSafetensors({{"m", matrix}}), "x");
  EXPECT_TRUE(torch::equal(read->at("m"), matrix));
}

TEST(Safetensors, ReadsWhatTheFormatAllows) {
  const auto read = ParseSafetensors(
      File(R"({"y":{"shape":[2],"dtype":"U8","data_offsets":[1,3]},"__metadata__":{"a":"b"},)"
           R"("x":{"dtype":"I8","shape":[],"data_offsets":[0,1]}}   )",
           "\x01\x02\x03"),
      "x");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->at("x").item<int>(), 1);
  EXPECT_EQ(read->at("y")[1].item<int>(), 3);
}

TEST(Safetensors, RefusesMalformedFiles) {
  Fault("");
  Fault("1234567");
  EXPECT_THAT(Fault(std::string(8, '\xff')), HasSubstr("header of"));
  EXPECT_THAT(Fault(File("{", "")), HasSubstr("JSON"));
  EXPECT_THAT(Fault(File("[]", "")), HasSubstr("JSON"));
  EXPECT_THAT(Fault(File(std::string(100000, '['), "")), HasSubstr("JSON"));
  EXPECT_THAT(Fault(File("{}", "x")), HasSubstr("cover 0 of 1"));
  const auto entry = [](const std::string& fields, int data = 4) {
    return Fault(File("{\"t\":{" + fields + "}}", std::string(data, '\0')));
  };
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[1])"), HasSubstr("needs"));
  EXPECT_THAT(entry(R"("dtype":"F31","shape":[1],"data_offsets":[0,4])"), HasSubstr("dtype"));
  EXPECT_THAT(entry(R"("dtype":7,"shape":[1],"data_offsets":[0,4])"), HasSubstr("needs"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), HasSubstr("whole"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[1.0],"data_offsets":[0,4])"), HasSubstr("whole"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"),
              HasSubstr("4 bytes, but its shape 8"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4])"),
              HasSubstr("overflows"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[18446744073709551615,0],"data_offsets":[0,0])", 0),
              HasSubstr("overflows"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), HasSubstr("lies at"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), HasSubstr("lies at"));
  EXPECT_THAT(entry(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), HasSubstr("two"));
  EXPECT_THAT(
      entry(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])"),
      HasSubstr("dimensions"));
}

TEST(Safetensors, RefusesOverlapsHolesAndRepeatedNames) {
  const std::string a = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)";
  EXPECT_THAT(
      Fault(File("{" + a + R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})", "123456")),
      HasSubstr("begins at 2"));
  EXPECT_THAT(
      Fault(File("{" + a + R"("b":{"dtype":"U8","shape":[1],"data_offsets":[5,6]}})", "123456")),
      HasSubstr("begins at 5"));
  Fault(File("{" + a + R"("a":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})", "123456"));
}

TEST(Safetensors, RefusesEveryTruncation) {
  const std::string whole =
      SerializeSafetensors({{"a", torch::ones({3})}, {"b", torch::ones({2, 2})}});
  for (size_t size = 0; size < whole.size(); ++size) Fault(whole.substr(0, size));
}

TEST(Safetensors, SurvivesFlippedBytes) {
  const std::string whole =
      SerializeSafetensors({{"a", torch::ones({3})}, {"b", torch::ones({2, 2})}});
  Random random{RandomKey(1)};
  for (int i = 0; i < 3000; ++i) {
    std::string changed = whole;
    for (int j = 0; j < 3; ++j) {
      changed[random.Below(changed.size())] = static_cast<char>(random.Below(256));
    }
    const auto parsed = ParseSafetensors(changed, "x");  // any answer, but an answer
    EXPECT_TRUE(parsed.ok() || absl::IsDataLoss(parsed.status())) << parsed.status();
  }
}

TEST(ModelFiles, SavedModelsLoad) {
  const std::string directory = testing::TempDir() + "/saved_model",
                    other = testing::TempDir() + "/tokenizer";
  ASSERT_TRUE(WriteFileAtomically(other + "/tokenizer.json", "{}").ok());
  for (const bool tied : {true, false}) {
    ModelConfig config = SmallConfig();
    config.tie_word_embeddings = tied;
    const Model model = *Model::Create(config, LivelyWeights(config, 3));
    ASSERT_TRUE(SaveModel(directory, model, other).ok());
    EXPECT_EQ(*ReadFile(directory + "/tokenizer.json"), "{}");
    const auto loaded = LoadModel(directory);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    EXPECT_EQ(loaded->weights().contains("lm_head.weight"), !tied);
    for (const auto& [name, weight] : model.weights()) {
      EXPECT_TRUE(torch::equal(weight, loaded->weights().at(name))) << name;
    }
  }
  EXPECT_EQ(SaveModel(directory, *LoadModel(directory), testing::TempDir() + "/none").code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(LoadModel(testing::TempDir() + "/none").status().code(), absl::StatusCode::kNotFound);
}

// policy/testdata/models: what transformers saved, and its logits (tests/oracles/make_model_fixtures.py).
TEST(ModelFiles, EveryFamilyGivesTheLogitsOfTransformers) {
  int models = 0;
  for (const auto& entry : std::filesystem::directory_iterator("policy/testdata/models")) {
    const std::string directory = entry.path().string();
    SCOPED_TRACE(directory);
    const auto expected = ReadSafetensors(directory + "/expected.safetensors");
    ASSERT_TRUE(expected.ok()) << expected.status();
    const torch::Tensor tokens = expected->at("tokens").to(torch::kInt), &logits = expected->at("logits");
    const PackedTokens packed{{tokens.data_ptr<int32_t>(), tokens.data_ptr<int32_t>() + tokens.numel()},
                              {static_cast<int32_t>(tokens.numel())}};
    const auto farthest = [&](const Model& model) {
      return (model.Logits(model.Hidden(packed)).to(torch::kFloat) - logits).abs().max().item<double>();
    };
    const auto single = LoadModel(directory);
    ASSERT_TRUE(single.ok()) << single.status();
    EXPECT_LT(farthest(*single), 1e-4);
    const auto stored = LoadModel(directory, std::nullopt);
    ASSERT_TRUE(stored.ok()) << stored.status();
    EXPECT_EQ(stored->weights().begin()->second.scalar_type(), torch::kBFloat16);
    EXPECT_LT(farthest(*stored), 0.1 * logits.abs().max().item<double>());
    const std::string copy = testing::TempDir() + "/copy_of_model";
    ASSERT_TRUE(SaveModel(copy, *stored, "").ok());
    const auto again = LoadModel(copy);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_LT(farthest(*again), 1e-4);
    ++models;
  }
  EXPECT_EQ(models, 8);
}

TEST(ModelFiles, AnIndexThatLeavesItsFolderIsRefused) {
  const std::string directory = testing::TempDir() + "/bad_index";
  ASSERT_TRUE(WriteFileAtomically(directory + "/config.json", ModelConfigJson(SmallConfig())).ok());
  const std::string nest(200000, '[');
  const std::string deep = R"({"weight_map": {"a": )" + nest + std::string(nest.size(), ']') + "}}";
  for (const char* index : {R"({"weight_map": {"a": "../x.safetensors"}})", R"({"weight_map": {"a": 1}})",
                            R"({"weight_map": 3})", "[", "{}", deep.c_str()}) {
    ASSERT_TRUE(WriteFileAtomically(directory + "/model.safetensors.index.json", index).ok());
    const absl::Status status = LoadModel(directory).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << index;
    EXPECT_THAT(std::string(status.message()), HasSubstr("model.safetensors.index.json"));
  }
}

// The names and shapes that transformers' LlamaForCausalLM gives its weights.
TEST(ModelFiles, LayoutIsThatOfTransformers) {
  const auto shapes = WeightShapes(SmallConfig());
  EXPECT_EQ(shapes.size(), 2 + 2 * 9);
  EXPECT_EQ(shapes.at("model.embed_tokens.weight"), (std::vector<int64_t>{50, 24}));
  EXPECT_EQ(shapes.at("model.layers.1.self_attn.q_proj.weight"), (std::vector<int64_t>{24, 24}));
  EXPECT_EQ(shapes.at("model.layers.1.self_attn.k_proj.weight"), (std::vector<int64_t>{12, 24}));
  EXPECT_EQ(shapes.at("model.layers.0.self_attn.v_proj.weight"), (std::vector<int64_t>{12, 24}));
  EXPECT_EQ(shapes.at("model.layers.0.self_attn.o_proj.weight"), (std::vector<int64_t>{24, 24}));
  EXPECT_EQ(shapes.at("model.layers.0.mlp.gate_proj.weight"), (std::vector<int64_t>{40, 24}));
  EXPECT_EQ(shapes.at("model.layers.0.mlp.up_proj.weight"), (std::vector<int64_t>{40, 24}));
  EXPECT_EQ(shapes.at("model.layers.0.mlp.down_proj.weight"), (std::vector<int64_t>{24, 40}));
  EXPECT_EQ(shapes.at("model.layers.0.input_layernorm.weight"), (std::vector<int64_t>{24}));
  EXPECT_EQ(shapes.at("model.layers.0.post_attention_layernorm.weight"),
            (std::vector<int64_t>{24}));
  EXPECT_EQ(shapes.at("model.norm.weight"), (std::vector<int64_t>{24}));
}

TEST(FileSha256, IsThePublishedAnswer) {
  const std::string path = testing::TempDir() + "/abc";
  ASSERT_TRUE(WriteFileAtomically(path, "abc").ok());
  EXPECT_EQ(*FileSha256(path), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(FileSha256(path + "none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(FileSha256(testing::TempDir()).ok());
}

}  // namespace
}  // namespace sojourn::policy
