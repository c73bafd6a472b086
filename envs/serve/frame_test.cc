#include "envs/serve/frame.h"

#include <gtest/gtest.h>
#include <zlib.h>

namespace sojourn::envs::serve {
namespace {

TEST(Frame, IsAPngOfTheLevelsSize) {
  const auto level = babyai::MakeLevel("BabyAI-GoToRedBallGrey-v0");
  ASSERT_TRUE(level.ok());
  (*level)->Reset(0);
  const Image image = DrawFrame(**level);
  EXPECT_EQ(image.width, 8 * kTilePixels);
  EXPECT_EQ(image.height, 8 * kTilePixels);
  const std::string png = EncodePng(image);
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(png.substr(png.size() - 8, 4), "IEND");
}

// Checksums of get_frame()'s bytes in Python's MiniGrid 2.3.1.
TEST(Frame, IsMiniGridsPixelForPixel) {
  struct Case {
    const char* level;
    uint64_t seed;
    std::vector<babyai::Action> actions;
    uint32_t checksum;
  };
  using enum babyai::Action;
  const Case cases[] = {{"BabyAI-GoToRedBallGrey-v0", 0, {}, 0xa920598c},
                        {"BabyAI-BossLevel-v0", 3, {kLeft, kForward, kForward}, 0x532922a1},
                        {"BabyAI-UnlockPickupDist-v0", 1, {kRight}, 0x949db202},
                        {"BabyAI-OpenRedDoor-v0", 2, {kLeft}, 0x4399b1bd}};
  for (const Case& c : cases) {
    const auto level = babyai::MakeLevel(c.level);
    ASSERT_TRUE(level.ok());
    (*level)->Reset(c.seed);
    for (const babyai::Action action : c.actions) (*level)->Step(action);
    const Image image = DrawFrame(**level);
    EXPECT_EQ(crc32(0, image.rgb.data(), image.rgb.size()), c.checksum) << c.level;
  }
}

}  // namespace
}  // namespace sojourn::envs::serve
