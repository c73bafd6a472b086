#include "policy/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "common/files.h"

namespace sojourn::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Shape = std::vector<int64_t>;

const char kFixture[] = "policy/testdata/quantized.gguf";

// Writes GGUF piece by piece, so that tests can write what is wrong.
class Bytes {
 public:
  template <typename T>
  Bytes& Add(T value) {
    data_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& U32(uint32_t value) { return Add(value); }
  Bytes& U64(uint64_t value) { return Add(value); }
  Bytes& Text(std::string_view text) {
    U64(text.size());
    data_ += text;
    return *this;
  }
  Bytes& Head(uint64_t tensors, uint64_t values, uint32_t version = 3) {
    data_ += "GGUF";
    return U32(version).U64(tensors).U64(values);
  }
  // An F32 tensor of one dimension.
  Bytes& Tensor(std::string_view name, uint64_t size, uint64_t offset, uint32_t type = 0) {
    return Text(name).U32(1).U64(size).U32(type).U64(offset);
  }
  Bytes& Data(uint64_t bytes, uint64_t alignment = 32) {
    data_.resize((data_.size() + alignment - 1) / alignment * alignment + bytes, 'x');
    return *this;
  }
  // The counts are believed only as far as there are bytes for them.
  Bytes& Padding() { return Data(256); }
  const std::string& str() const { return data_; }

 private:
  std::string data_;
};

absl::Span<const uint8_t> Span(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Fault(const Bytes& bytes) {
  const auto file = GgufFile::Parse(Span(bytes.str()), "some/file");
  EXPECT_EQ(file.status().code(), absl::StatusCode::kDataLoss) << file.status();
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("some/file"));
  EXPECT_THAT(std::string(file.status().message()), HasSubstr("at byte "));
  return std::string(file.status().message());
}

TEST(Gguf, ReadsEveryTypeOfMetadata) {
  const auto opened = GgufFile::Open(kFixture);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const GgufFile& file = **opened;
  EXPECT_EQ(*file.Get<std::string_view>("general.architecture"), "test");
  EXPECT_EQ(*file.Get<int64_t>("a.uint8"), 200);
  EXPECT_EQ(*file.Get<int64_t>("a.int8"), -100);
  EXPECT_EQ(*file.Get<int64_t>("a.uint16"), 60000);
  EXPECT_EQ(*file.Get<int64_t>("a.int16"), -30000);
  EXPECT_EQ(*file.Get<int64_t>("a.uint32"), 4000000000);
  EXPECT_EQ(*file.Get<int64_t>("a.int32"), -2000000000);
  EXPECT_EQ(*file.Get<int64_t>("a.int64"), -(int64_t{1} << 62));
  EXPECT_EQ(*file.Get<double>("a.uint64"), 0x1p63);
  EXPECT_EQ(*file.Get<double>("a.int8"), -100);
  EXPECT_EQ(*file.Get<double>("a.float32"), 0.1f);
  EXPECT_EQ(*file.Get<double>("a.float64"), 0.1);
  EXPECT_EQ(*file.Get<bool>("a.bool"), true);
  EXPECT_EQ(*file.Get<std::string_view>("a.string"), "naïve ✓");
  EXPECT_THAT(*file.Get<std::vector<std::string_view>>("some.strings"),
              ElementsAre("one", "", "drei ✓"));
  EXPECT_THAT(*file.Get<Shape>("some.ints"), ElementsAre(1, -2, 3));
  EXPECT_THAT(*file.Get<Shape>("some.bools"), ElementsAre(1, 0));
  EXPECT_THAT(*file.Get<Shape>("some.uint64s"), ElementsAre(1, int64_t{1} << 40));
  EXPECT_THAT(*file.Get<std::vector<double>>("some.floats"), ElementsAre(0.5, -1.25));
  EXPECT_THAT(*file.Get<std::vector<double>>("some.ints"), ElementsAre(1, -2, 3));
}

TEST(Gguf, SaysWhatMetadataIsInsteadOfWhatWasAskedFor) {
  const auto file = *GgufFile::Open(kFixture);
  const auto expect = [](const absl::Status& status, absl::StatusCode code, const char* text) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
    EXPECT_THAT(std::string(status.message()), HasSubstr(kFixture));
  };
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  expect(file->Get<int64_t>("a.strin").status(), absl::StatusCode::kNotFound,
         "no metadata \"a.strin\"; did you mean \"a.string\"?");
  expect(file->Get<int64_t>("a.string").status(), kInvalid,
         "\"a.string\" is of type string; expected an integer");
  expect(file->Get<int64_t>("a.uint64").status(), kInvalid, "at most 2^63 - 1");
  expect(file->Get<int64_t>("a.bool").status(), kInvalid, "bool");
  expect(file->Get<int64_t>("some.ints").status(), kInvalid, "an array of int32");
  expect(file->Get<double>("a.bool").status(), kInvalid, "expected a number");
  expect(file->Get<bool>("a.uint8").status(), kInvalid, "expected a bool");
  expect(file->Get<std::string_view>("some.strings").status(), kInvalid, "an array of string");
  expect(file->Get<std::vector<std::string_view>>("a.string").status(), kInvalid, "array");
  expect(file->Get<Shape>("some.floats").status(), kInvalid, "an array of integers");
  expect(file->Get<std::vector<double>>("some.strings").status(), kInvalid, "an array of numbers");
  expect(file->Find<bool>("a.uint8").status(), kInvalid, "expected a bool");
  EXPECT_EQ(*file->Find<int64_t>("absent"), std::nullopt);
  EXPECT_EQ(*file->Find<int64_t>("a.uint8"), 200);
}

TEST(Gguf, GivesTensorsInPyTorchsOrderOfDimensions) {
  const auto file = *GgufFile::Open(kFixture);
  const auto tensor = file->Tensor("shaped");
  ASSERT_TRUE(tensor.ok()) << tensor.status();
  EXPECT_EQ((*tensor)->shape, (Shape{2, 3, 4}));
  EXPECT_EQ((*tensor)->count, 24);
  float last;
  std::memcpy(&last, (*tensor)->data.data() + 23 * 4, 4);
  EXPECT_EQ(last, 23);
  EXPECT_EQ((*file->Tensor("Q4_K"))->shape, (Shape{2, 256}));
}

TEST(Gguf, RefusesTensorsOfTypesThatItCannotReadByName) {
  const auto file = *GgufFile::Open(kFixture);
  const absl::Status unreadable = file->Tensor("IQ4_NL").status();
  EXPECT_EQ(unreadable.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(unreadable.message()), HasSubstr("type IQ4_NL cannot be read"));
  const absl::Status absent = file->Tensor("shapd").status();
  EXPECT_EQ(absent.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(absent.message()), HasSubstr("did you mean \"shaped\""));
}

TEST(Gguf, ReadsVersion2AndOtherAlignments) {
  Bytes bytes;
  bytes.Head(2, 1, 2).Text("general.alignment").U32(4).U32(8);
  bytes.Tensor("a", 1, 8).Tensor("b", 2, 0).Data(12, 8);
  const auto file = GgufFile::Parse(Span(bytes.str()), "f");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->tensors().at("a").data.data(), Span(bytes.str()).end() - 4);
  EXPECT_EQ((*file)->tensors().at("b").data.size(), 8);
}

TEST(Gguf, ReadsEmptyTensorsAndScalarsAndNoTensors) {
  Bytes bytes;
  bytes.Head(2, 0).Tensor("empty", 0, 0).Text("scalar").U32(0).U32(0).U64(0).Data(4);
  const auto file = GgufFile::Parse(Span(bytes.str()), "f");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->tensors().at("empty").count, 0);
  EXPECT_EQ((*file)->tensors().at("scalar").count, 1);
  EXPECT_EQ((*file)->tensors().at("scalar").shape, Shape{});
  EXPECT_TRUE(GgufFile::Parse(Span(Bytes().Head(0, 0).str()), "f").ok());
}

TEST(Gguf, RefusesFilesOfOtherKinds) {
  EXPECT_THAT(Fault(Bytes()), HasSubstr("ends in the magic"));
  EXPECT_THAT(Fault(Bytes().U32(7).Padding()), HasSubstr("does not begin with \"GGUF\""));
  EXPECT_THAT(Fault(Bytes().Head(0, 0, 1)), HasSubstr("version 1; expected 2 or 3"));
  EXPECT_THAT(Fault(Bytes().Head(0, 0, 3 << 24)), HasSubstr("big-endian"));
  EXPECT_EQ(GgufFile::Open("no/such/file").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(GgufFile::Open("policy").status().code(), absl::StatusCode::kInvalidArgument);
  const std::string empty = testing::TempDir() + "/empty.gguf";
  std::ofstream(empty).close();
  EXPECT_EQ(GgufFile::Open(empty).status().code(), absl::StatusCode::kDataLoss);
}

TEST(Gguf, BoundsEveryCountByTheBytesLeft) {
  const uint64_t huge = ~uint64_t{0};
  EXPECT_THAT(Fault(Bytes().Head(huge, 0).Padding()), HasSubstr("tensors in"));
  EXPECT_THAT(Fault(Bytes().Head(0, huge).Padding()), HasSubstr("metadata values in"));
  EXPECT_THAT(Fault(Bytes().Head(0, 1).U64(huge).Padding()), HasSubstr("a metadata key of"));
  EXPECT_THAT(Fault(Bytes().Head(0, 1).Text("k").U32(8).U64(huge).Padding()),
              HasSubstr("a string of"));
  for (const uint32_t type : {0, 6, 7, 8, 9, 12}) {
    EXPECT_THAT(Fault(Bytes().Head(0, 1).Text("k").U32(9).U32(type).U64(huge).Padding()),
                HasSubstr("an array \"k\" of 18446744073709551615"));
  }
}

TEST(Gguf, RefusesUnsoundMetadata) {
  EXPECT_THAT(Fault(Bytes().Head(0, 1).Text("k").U32(13).Padding()), HasSubstr("value type 13"));
  EXPECT_THAT(Fault(Bytes().Head(0, 1).Text("").U32(0).Padding()), HasSubstr("is empty"));
  EXPECT_THAT(Fault(Bytes().Head(0, 1).Text("k\xc0\x80").U32(0).Padding()),
              HasSubstr("\"k\\xc0\\x80\" is not UTF-8"));
  EXPECT_THAT(Fault(Bytes().Head(0, 1).Text(std::string(65536, 'k')).U32(0).Padding()),
              HasSubstr("at most 65535"));
  EXPECT_THAT(Fault(Bytes().Head(0, 1).Text("k").U32(7).Add(uint8_t{2}).Padding()),
              HasSubstr("a bool of \"k\" is 2"));
  Bytes twice;
  for (int i = (twice.Head(0, 2), 0); i < 2; ++i) twice.Text("k").U32(0).Add(uint8_t{1});
  EXPECT_THAT(Fault(twice.Padding()), HasSubstr("\"k\" comes twice"));
  Bytes deep;
  deep.Head(0, 1).Text("k").U32(9);
  for (int i = 0; i < 5; ++i) deep.U32(9).U64(1);
  EXPECT_THAT(Fault(deep.Padding()), HasSubstr("nests too deep"));
  for (const uint32_t alignment : {0, 24}) {
    EXPECT_THAT(Fault(Bytes().Head(0, 1).Text("general.alignment").U32(4).U32(alignment)),
                HasSubstr("power of 2"));
  }
}

TEST(Gguf, RefusesUnsoundTensors) {
  EXPECT_THAT(Fault(Bytes().Head(2, 0).Tensor("t", 1, 0).Tensor("t", 1, 32).Data(64)),
              HasSubstr("tensor \"t\" comes twice"));
  EXPECT_THAT(
      Fault(Bytes().Head(2, 0).Tensor("t", 9, 0).Tensor("u", 1, 32).Data(64)),
      HasSubstr("tensor \"u\" (4 bytes) lies at offset 32, but the tensor before it ends at "
                "36"));
  EXPECT_THAT(Fault(Bytes().Head(1, 0).Tensor("t", 9, 0).Data(32)),
              HasSubstr("tensor \"t\" (36 bytes) lies at offset 0 of 32 bytes of data"));
  EXPECT_THAT(Fault(Bytes().Head(1, 0).Tensor("t", 1, ~uint64_t{31}).Data(32)),
              HasSubstr("lies at offset"));
  EXPECT_THAT(Fault(Bytes().Head(1, 0).Tensor("t", 1, 0)), HasSubstr("of 0 bytes of data"));
  EXPECT_THAT(Fault(Bytes().Head(1, 0).Tensor("t", 1, 4).Data(32)),
              HasSubstr("not a multiple of 32"));
  EXPECT_THAT(Fault(Bytes().Head(1, 0).Tensor("t", 33, 0, 2).Padding()),
              HasSubstr("rows of 33 values, but type Q4_0 has blocks of 32"));
  EXPECT_THAT(Fault(Bytes().Head(1, 0).Tensor("t", 1, 0, 99).Padding()),
              HasSubstr("unknown type 99"));
  EXPECT_THAT(Fault(Bytes().Head(1, 0).Text("t").U32(5).Padding()), HasSubstr("5 dimensions"));
  EXPECT_THAT(Fault(Bytes().Head(1, 0).Tensor(std::string(65, 't'), 1, 0).Padding()),
              HasSubstr("at most 64"));
  EXPECT_THAT(Fault(Bytes().Head(1, 0).Tensor("\xff", 1, 0).Padding()), HasSubstr("not UTF-8"));
  const uint64_t big = uint64_t{1} << 32;
  EXPECT_THAT(
      Fault(Bytes().Head(1, 0).Text("t").U32(3).U64(0).U64(big).U64(big).U32(0).U64(0).Padding()),
      HasSubstr("overflows"));
}

// What a caller may do with a file; sanitizers see what goes wrong.
void UseAll(const GgufFile& file) {
  for (const char* key : {"a.uint8", "a.uint64", "a.float64", "a.bool", "a.string", "some.strings",
                          "some.ints", "some.floats", "some.bools", "some.uint64s"}) {
    (void)file.Find<int64_t>(key);
    (void)file.Find<double>(key);
    (void)file.Find<bool>(key);
    (void)file.Find<std::string_view>(key);
    (void)file.Find<std::vector<int64_t>>(key);
    (void)file.Find<std::vector<double>>(key);
    (void)file.Find<std::vector<std::string_view>>(key);
  }
  for (const auto& [name, tensor] : file.tensors()) {
    if (!file.Tensor(name).ok()) continue;
    std::vector<float> values(tensor.count);
    EXPECT_TRUE(Dequantize(tensor.type, tensor.data, tensor.count, values.data()).ok());
  }
}

void ParseAndUse(const std::vector<uint8_t>& bytes) {
  const auto file = GgufFile::Parse(bytes, "f");
  if (file.ok()) {
    UseAll(**file);
  } else {
    EXPECT_EQ(file.status().code(), absl::StatusCode::kDataLoss) << file.status();
  }
}

TEST(Gguf, RefusesEveryTruncation) {
  const std::string whole = *ReadFile(kFixture);
  ASSERT_TRUE(GgufFile::Parse(Span(whole), "f").ok());
  // The last tensor needs no padding, so that every byte counts.
  for (size_t size = 0; size < whole.size(); size = size < 6000 ? size + 1 : size + 97) {
    const std::vector<uint8_t> part(whole.begin(), whole.begin() + size);
    const auto file = GgufFile::Parse(part, "f");
    ASSERT_EQ(file.status().code(), absl::StatusCode::kDataLoss) << size;
  }
}

TEST(Gguf, SurvivesDamage) {
  const std::string whole = *ReadFile(kFixture);
  // Where the tensors' data begin: only the header is interesting.
  const auto file = *GgufFile::Parse(Span(whole), "f");
  size_t header = whole.size();
  for (const auto& [name, tensor] : file->tensors()) {
    header = std::min<size_t>(header, tensor.data.data() - Span(whole).data());
  }
  constexpr int kSeed = 1;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  constexpr uint64_t kOdd[] = {0, 1, 0xff, 0x7fffffff, 0xffffffff, uint64_t{1} << 63, ~uint64_t{0}};
  for (int i = 0; i < 10000; ++i) {
    std::vector<uint8_t> bytes(whole.begin(), whole.end());
    for (int changes = 1 + random() % 3; changes > 0; --changes) {
      const size_t at = random() % header;
      switch (random() % 4) {
        case 0:
          bytes[at] = random();
          break;
        case 1:
          bytes[at] ^= 1 << random() % 8;
          break;
        case 2: {
          const uint64_t odd = kOdd[random() % std::size(kOdd)];
          std::memcpy(&bytes[at], &odd, random() % 2 ? 4 : 8);
          break;
        }
        default:
          bytes.erase(bytes.begin() + at, bytes.begin() + at + random() % 9);
          break;
      }
    }
    ParseAndUse(bytes);
  }
}

}  // namespace
}  // namespace sojourn::policy
