#include "envs/webshop/data_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/files.h"
#include "envs/webshop/generator.h"

namespace sojourn::envs::webshop {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Folder(const std::string& name) {
  const std::string path = ::testing::TempDir() + "/webshop_data_" + name;
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  return path;
}

TEST(DataFiles, WhatWasWrittenIsReadBackTheSame) {
  const std::string folder = Folder("same");
  const std::vector<Product> products = MakeProducts(3, 200);
  ASSERT_TRUE(WriteData(folder, products).ok());
  const auto loaded = LoadData(folder, 0);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(loaded->faults, ElementsAre());
  ASSERT_EQ(loaded->products.size(), products.size());
  for (size_t i = 0; i < products.size(); ++i) {
    const Product &a = products[i], &b = loaded->products[i];
    EXPECT_EQ(SearchText(a), SearchText(b));
    EXPECT_EQ(a.asin, b.asin);
    EXPECT_EQ(a.price, b.price);
    EXPECT_EQ(a.price_tag, b.price_tag);
    EXPECT_EQ(a.attributes, b.attributes);
    EXPECT_EQ(a.features, b.features);
    EXPECT_EQ(a.synthetic[0].text, b.synthetic[0].text);
    EXPECT_EQ(a.synthetic[0].attributes, b.synthetic[0].attributes);
  }
}

TEST(DataFiles, ABrokenProductIsNamedWithItsLineAndTheOthersLoad) {
  const std::string folder = Folder("broken");
  ASSERT_TRUE(WriteData(folder, MakeProducts(3, 100)).ok());
  const std::string path = folder + "/items_shuffle.json";
  std::string text = *ReadFile(path);
  const size_t third = text.find("\"name\"", text.find('\n', text.find('\n', text.find('\n') + 1) + 1));
  text.replace(third, 6, "\"nome\"");
  ASSERT_TRUE(WriteFileAtomically(path, text).ok());
  const auto loaded = LoadData(folder, 0);
  ASSERT_TRUE(loaded.ok());
  EXPECT_THAT(loaded->products, SizeIs(99));
  EXPECT_THAT(loaded->faults, ElementsAre(AllOf(HasSubstr(path + ":4: "), HasSubstr("name"))));
  EXPECT_THAT(CheckWebShopData(folder).faults, SizeIs(1));
}

TEST(DataFiles, AFileThatEndsEarlyGivesWhatItHolds) {
  const std::string folder = Folder("short");
  ASSERT_TRUE(WriteData(folder, MakeProducts(3, 100)).ok());
  const std::string path = folder + "/items_shuffle.json";
  const std::string text = *ReadFile(path);
  ASSERT_TRUE(WriteFileAtomically(path, text.substr(0, text.size() / 2)).ok());
  const auto loaded = LoadData(folder, 0);
  ASSERT_TRUE(loaded.ok());
  EXPECT_GT(loaded->products.size(), 40);
  EXPECT_THAT(loaded->faults, SizeIs(1));
  EXPECT_EQ(LoadData(Folder("empty"), 0).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace sojourn::envs::webshop
