// The picture of a level that AgentGym's BabyAI server renders: MiniGrid's frame, pixel for pixel.
#ifndef SOJOURN_ENVS_SERVE_FRAME_H_
#define SOJOURN_ENVS_SERVE_FRAME_H_

#include <cstdint>
#include <string>
#include <vector>

#include "envs/babyai/minigrid.h"

namespace sojourn::envs::serve {

inline constexpr int kTilePixels = 32;

struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;  // [height][width][3]
};

// The whole level from above; what the agent sees is lighter. MiniGrid 2.3.1's get_frame().
Image DrawFrame(const babyai::MiniGrid& grid);

std::string EncodePng(const Image& image);

// The server's text for a frame, without "data:image/png;base64,". The picture is the original's;
// how its bytes are packed is not.
std::string FrameAsBase64Png(const babyai::MiniGrid& grid);

}  // namespace sojourn::envs::serve

#endif  // SOJOURN_ENVS_SERVE_FRAME_H_
