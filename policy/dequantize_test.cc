#include "policy/dequantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "policy/gguf.h"

namespace sojourn::policy {
namespace {

using ::testing::HasSubstr;

// Beside each tensor T the file has PyPI gguf's answers, f32.T and bf16.T
// (tests/oracles/make_gguf_fixture.py).
TEST(Dequantize, EqualsTheReferenceBitForBitInEveryType) {
  const auto file = GgufFile::Open("policy/testdata/quantized.gguf");
  ASSERT_TRUE(file.ok()) << file.status();
  int types = 0;
  for (const auto& [name, tensor] : (*file)->tensors()) {
    const auto answer = (*file)->tensors().find("f32." + name);
    if (answer == (*file)->tensors().end()) continue;
    ++types;
    ASSERT_EQ(answer->second.shape, tensor.shape) << name;
    std::vector<float> values(tensor.count);
    ASSERT_TRUE(Dequantize(tensor.type, tensor.data, tensor.count, values.data()).ok());
    EXPECT_EQ(std::memcmp(values.data(), answer->second.data.data(), tensor.count * 4), 0) << name;
    std::vector<uint16_t> halves(tensor.count);
    ASSERT_TRUE(DequantizeToBf16(tensor.type, tensor.data, tensor.count, halves.data()).ok());
    const auto& rounded = (*file)->tensors().at("bf16." + name);
    EXPECT_EQ(std::memcmp(halves.data(), rounded.data.data(), tensor.count * 2), 0) << name;
  }
  EXPECT_EQ(types, 13);
}

uint16_t RoundedBits(uint32_t bits) {
  uint8_t data[4];
  std::memcpy(data, &bits, sizeof data);
  uint16_t out = 0;
  EXPECT_TRUE(DequantizeToBf16(GgmlType::kF32, data, 1, &out).ok());
  return out;
}

TEST(Dequantize, RoundsToBfloat16ToNearestEven) {
  EXPECT_EQ(RoundedBits(0x3f800000), 0x3f80);
  EXPECT_EQ(RoundedBits(0x3f808000), 0x3f80);  // a tie, down to even
  EXPECT_EQ(RoundedBits(0x3f818000), 0x3f82);  // a tie, up to even
  EXPECT_EQ(RoundedBits(0x3f808001), 0x3f81);
  EXPECT_EQ(RoundedBits(0x7f7fffff), 0x7f80);  // beyond the largest: infinity
  EXPECT_EQ(RoundedBits(0xff800000), 0xff80);
  EXPECT_EQ(RoundedBits(0x7f800001), 0x7fc0);  // NaNs do not become infinity
  EXPECT_EQ(RoundedBits(0xffffffff), 0xffff);
}

// fp16 by its definition: sign, 5 bits of exponent with bias 15, 10 bits of mantissa.
TEST(Dequantize, ReadsEveryFp16) {
  for (uint32_t half = 0; half < 0x10000; ++half) {
    const uint8_t data[] = {static_cast<uint8_t>(half), static_cast<uint8_t>(half >> 8)};
    float value = 0;
    ASSERT_TRUE(Dequantize(GgmlType::kF16, data, 1, &value).ok());
    const int exponent = half >> 10 & 31, mantissa = half & 1023;
    float expected = exponent == 0 ? std::ldexp(float(mantissa), -24)
                                   : std::ldexp(float(mantissa + 1024), exponent - 25);
    if (exponent == 31) {
      expected = mantissa == 0 ? std::numeric_limits<float>::infinity()
                               : std::numeric_limits<float>::quiet_NaN();
    }
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << half;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(value),
                std::bit_cast<uint32_t>(half & 0x8000 ? -expected : expected))
          << half;
    }
  }
}

TEST(Dequantize, RefusesDataThatIsNotTheBlocksOfTheCount) {
  const std::vector<uint8_t> data(40);
  std::vector<float> out(64, 7);
  for (const int64_t count : {-32, 0, 31, 32, 33, 96}) {
    const absl::Status status = Dequantize(GgmlType::kQ4_1, data, count, out.data());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << count;
  }
  EXPECT_EQ(Dequantize(GgmlType::kQ4_1, absl::MakeSpan(data).subspan(1), 64, out.data()).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(out, std::vector<float>(64, 7));
  EXPECT_TRUE(Dequantize(GgmlType::kQ4_1, data, 64, out.data()).ok());
}

TEST(Dequantize, NamesATypeThatItCannotRead) {
  const absl::Status known = Dequantize(GgmlType{23}, {}, 0, nullptr);
  EXPECT_EQ(known.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(known.message()), HasSubstr("IQ4_XS"));
  const absl::Status unknown = Dequantize(GgmlType{4}, {}, 0, nullptr);
  EXPECT_EQ(unknown.code(), absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace sojourn::policy
