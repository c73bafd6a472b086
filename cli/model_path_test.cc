#include "cli/model_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace sojourn::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ModelPathTest : public ::testing::Test {
 protected:
  ModelPathTest() { fs::remove_all(folder_); }
  ~ModelPathTest() override { fs::remove_all(folder_); }
  void Write(const std::string& path, const std::string& text = "{}") {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  void WriteModel(const std::string& path) {
    Write(path + "/config.json");
    Write(path + "/tokenizer.json");
  }
  std::string Find(const std::string& path) {
    const auto found = FindModelPath((folder_ / path).string());
    return found.ok() ? fs::relative(*found, folder_).string() : std::string(found.status().message());
  }
  const fs::path folder_ = fs::path(::testing::TempDir()) / "model_path_test";
};

TEST_F(ModelPathTest, ARunMeansItsArmsLatestModel) {
  for (const char* label : {"before", "stage-2", "stage-10", "stage-9"}) {
    WriteModel(std::string("run/arms/one/models/") + label);
  }
  fs::create_directories(folder_ / "run/arms/one/models/stage-11");   // being written
  EXPECT_EQ(Find("run/arms/one/models/before"), "run/arms/one/models/before");
  EXPECT_EQ(Find("run/arms/one"), "run/arms/one/models/stage-10");
  EXPECT_EQ(Find("run"), "run/arms/one/models/stage-10");
  WriteModel("run/arms/two/models/stage-1");
  EXPECT_THAT(Find("run"), AllOf(HasSubstr("several arms"), HasSubstr("arms/one/models/stage-10\n"),
                                 HasSubstr("arms/two/models/stage-1")));
}

TEST_F(ModelPathTest, WhatIsNoModelIsSaid) {
  EXPECT_THAT(Find("none"), HasSubstr("no such file or folder"));
  Write("empty/notes.txt");
  EXPECT_THAT(Find("empty"), HasSubstr("holds no model"));
  Write("checkpoints/version-3/optimizer.safetensors");
  EXPECT_THAT(Find("checkpoints/version-3"), HasSubstr("learner's checkpoint"));
  Write("model.gguf");
  EXPECT_EQ(Find("model.gguf"), "model.gguf");
}

TEST_F(ModelPathTest, FactsComeFromTheFiles) {
  Write("m/config.json", R"({"torch_dtype": "float16", "max_position_embeddings": 77})");
  const auto facts = ReadModelFacts((folder_ / "m").string());
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->dtype, "bfloat16");
  EXPECT_EQ(facts->positions, 77);
  Write("m/config.json", "[]");
  EXPECT_THAT(std::string(ReadModelFacts((folder_ / "m").string()).status().message()), HasSubstr("m/config.json"));
  Write("m.gguf", "GGUF");
  EXPECT_FALSE(ReadModelFacts((folder_ / "m.gguf").string()).ok());
}

}  // namespace
}  // namespace sojourn::cli
