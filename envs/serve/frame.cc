#include "envs/serve/frame.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>
#include <tuple>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace sojourn::envs::serve {
namespace {

using babyai::Cell;
using babyai::DoorState;
using babyai::Kind;
using babyai::MiniGrid;
using babyai::Point;

constexpr int kSamples = 3;  // per pixel and axis
constexpr int kSide = kTilePixels * kSamples;

using Rgb = std::array<uint8_t, 3>;
using Tile = std::array<std::array<Rgb, kTilePixels>, kTilePixels>;

constexpr std::array<Rgb, 6> kColors = {Rgb{255, 0, 0},    Rgb{0, 255, 0},   Rgb{0, 0, 255},
                                        Rgb{112, 39, 195}, Rgb{255, 255, 0}, Rgb{100, 100, 100}};
constexpr Rgb kBlack = {0, 0, 0};

Rgb Scaled(const Rgb& color, double factor) {
  Rgb scaled;
  for (int i = 0; i < 3; ++i) scaled[i] = static_cast<uint8_t>(factor * color[i]);
  return scaled;
}

// Draws one tile; coordinates go from 0 to 1.
class Painter {
 public:
  Painter() : samples_(kSide * kSide, kBlack) {}

  template <typename Inside>
  void Fill(const Rgb& color, const Inside& inside) {
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        if (inside((x + 0.5) / kSide, (y + 0.5) / kSide)) samples_[y * kSide + x] = color;
      }
    }
  }
  void Rectangle(const Rgb& color, double x0, double x1, double y0, double y1) {
    Fill(color, [=](double x, double y) { return x >= x0 && x <= x1 && y >= y0 && y <= y1; });
  }
  void Circle(const Rgb& color, double cx, double cy, double r) {
    Fill(color,
         [=](double x, double y) { return (x - cx) * (x - cx) + (y - cy) * (y - cy) <= r * r; });
  }
  // The agent: a triangle by its barycentric coordinates, turned about the middle. The corners are
  // in single precision, as in the original.
  void Triangle(const Rgb& color, int direction) {
    constexpr float ax = 0.12f, ay = 0.19f;
    constexpr float v0x = 0.12f - ax, v0y = 0.81f - ay, v1x = 0.87f - ax, v1y = 0.50f - ay;
    const float dot00 = v0x * v0x + v0y * v0y, dot01 = v0x * v1x + v0y * v1y;
    const float dot11 = v1x * v1x + v1y * v1y;
    const float scale = 1 / (dot00 * dot11 - dot01 * dot01);
    const double turn = 0.5 * std::numbers::pi * direction;
    const double cosine = std::cos(-turn), sine = std::sin(-turn);
    Fill(color, [=](double x, double y) {
      x -= 0.5;
      y -= 0.5;
      const double v2x = 0.5 + x * cosine - y * sine - ax, v2y = 0.5 + y * cosine + x * sine - ay;
      const double dot02 = v0x * v2x + v0y * v2y, dot12 = v1x * v2x + v1y * v2y;
      const double u = (dot11 * dot02 - dot01 * dot12) * scale;
      const double v = (dot00 * dot12 - dot01 * dot02) * scale;
      return u >= 0 && v >= 0 && u + v < 1;
    });
  }
  void Lighten() {
    for (Rgb& sample : samples_) {
      for (uint8_t& value : sample) value = static_cast<uint8_t>(value + 0.30 * (255 - value));
    }
  }
  Tile Downsample() const {
    Tile tile;
    for (int y = 0; y < kTilePixels; ++y) {
      for (int x = 0; x < kTilePixels; ++x) {
        for (int channel = 0; channel < 3; ++channel) {
          double rows = 0;
          for (int j = 0; j < kSamples; ++j) {
            double row = 0;
            for (int i = 0; i < kSamples; ++i) {
              row += samples_[(y * kSamples + j) * kSide + x * kSamples + i][channel];
            }
            rows += row / kSamples;
          }
          tile[y][x][channel] = static_cast<uint8_t>(rows / kSamples);
        }
      }
    }
    return tile;
  }

 private:
  std::vector<Rgb> samples_;
};

void DrawDoor(Painter& painter, const Rgb& color, DoorState state) {
  if (state == DoorState::kOpen) {
    painter.Rectangle(color, 0.88, 1.00, 0.00, 1.00);
    painter.Rectangle(kBlack, 0.92, 0.96, 0.04, 0.96);
    return;
  }
  painter.Rectangle(color, 0, 1, 0, 1);
  if (state == DoorState::kLocked) {
    painter.Rectangle(Scaled(color, 0.45), 0.06, 0.94, 0.06, 0.94);
    painter.Rectangle(color, 0.52, 0.75, 0.50, 0.56);
    return;
  }
  painter.Rectangle(kBlack, 0.04, 0.96, 0.04, 0.96);
  painter.Rectangle(color, 0.08, 0.92, 0.08, 0.92);
  painter.Rectangle(kBlack, 0.12, 0.88, 0.12, 0.88);
  painter.Circle(color, 0.75, 0.50, 0.08);
}

void DrawObject(Painter& painter, const Cell& cell) {
  const Rgb& color = kColors[static_cast<int>(cell.color)];
  switch (cell.kind) {
    case Kind::kWall:
    case Kind::kGoal:
      painter.Rectangle(color, 0, 1, 0, 1);
      break;
    case Kind::kFloor:
      painter.Rectangle(Scaled(color, 0.5), 0.031, 1, 0.031, 1);
      break;
    case Kind::kDoor:
      DrawDoor(painter, color, cell.state);
      break;
    case Kind::kKey:
      painter.Rectangle(color, 0.50, 0.63, 0.31, 0.88);
      painter.Rectangle(color, 0.38, 0.50, 0.59, 0.66);
      painter.Rectangle(color, 0.38, 0.50, 0.81, 0.88);
      painter.Circle(color, 0.56, 0.28, 0.190);
      painter.Circle(kBlack, 0.56, 0.28, 0.064);
      break;
    case Kind::kBall:
      painter.Circle(color, 0.5, 0.5, 0.31);
      break;
    case Kind::kBox:
      painter.Rectangle(color, 0.12, 0.88, 0.12, 0.88);
      painter.Rectangle(kBlack, 0.18, 0.82, 0.18, 0.82);
      painter.Rectangle(color, 0.16, 0.84, 0.47, 0.53);
      break;
    default:  // nothing; no BabyAI level has lava
      break;
  }
}

Tile DrawTile(const Cell& cell, int agent_dir, bool seen) {
  constexpr Rgb kLine = {100, 100, 100};
  Painter painter;
  painter.Rectangle(kLine, 0, 0.031, 0, 1);
  painter.Rectangle(kLine, 0, 1, 0, 0.031);
  DrawObject(painter, cell);
  if (agent_dir >= 0) painter.Triangle({255, 0, 0}, agent_dir);
  if (seen) painter.Lighten();
  return painter.Downsample();
}

void AppendBigEndian(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

void AppendChunk(const std::string& type, const std::string& data, std::string* png) {
  AppendBigEndian(static_cast<uint32_t>(data.size()), png);
  const std::string checked = type + data;
  *png += checked;
  AppendBigEndian(crc32(0, reinterpret_cast<const Bytef*>(checked.data()), checked.size()), png);
}

}  // namespace

Image DrawFrame(const MiniGrid& grid) {
  // The view's cell (i, j) lies j steps short of six ahead of the agent and i - 3 to its right.
  const Point ahead = babyai::kDirections[grid.agent_dir()];
  const Point right = babyai::kDirections[(grid.agent_dir() + 1) % 4];
  const babyai::View view = grid.view();
  std::vector<bool> seen(grid.width() * grid.height(), false);
  for (int i = 0; i < babyai::kViewSize; ++i) {
    for (int j = 0; j < babyai::kViewSize; ++j) {
      const int front = babyai::kViewSize - 1 - j, side = i - babyai::kViewSize / 2;
      const int x = grid.agent_pos().x + ahead.x * front + right.x * side;
      const int y = grid.agent_pos().y + ahead.y * front + right.y * side;
      if (x < 0 || y < 0 || x >= grid.width() || y >= grid.height()) continue;
      if (view[i][j].kind != Kind::kUnseen) seen[y * grid.width() + x] = true;
    }
  }

  Image image{grid.width() * kTilePixels, grid.height() * kTilePixels, {}};
  image.rgb.resize(static_cast<size_t>(image.width) * image.height * 3);
  std::map<std::tuple<Kind, babyai::Color, DoorState, int, bool>, Tile> drawn;
  for (int y = 0; y < grid.height(); ++y) {
    for (int x = 0; x < grid.width(); ++x) {
      const Cell& cell = grid.at(x, y);
      const int agent_dir = grid.agent_pos() == Point{x, y} ? grid.agent_dir() : -1;
      const bool lit = seen[y * grid.width() + x];
      const auto key = std::make_tuple(cell.kind, cell.color, cell.state, agent_dir, lit);
      auto found = drawn.find(key);
      if (found == drawn.end()) {
        found = drawn.emplace(key, DrawTile(cell, agent_dir, lit)).first;
      }
      for (int row = 0; row < kTilePixels; ++row) {
        const auto* const from = found->second[row].front().data();
        const size_t to = ((y * kTilePixels + row) * image.width + x * kTilePixels) * 3;
        std::copy(from, from + kTilePixels * 3, image.rgb.begin() + to);
      }
    }
  }
  return image;
}

std::string EncodePng(const Image& image) {
  std::string header;
  AppendBigEndian(image.width, &header);
  AppendBigEndian(image.height, &header);
  header += std::string("\x08\x02\0\0\0", 5);  // 8 bits a channel, RGB, not interlaced
  std::string rows;
  for (int y = 0; y < image.height; ++y) {
    rows.push_back(0);  // no filter
    const auto row = image.rgb.begin() + static_cast<size_t>(y) * image.width * 3;
    rows.append(row, row + image.width * 3);
  }
  uLongf packed_size = compressBound(rows.size());
  std::string packed(packed_size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &packed_size,
           reinterpret_cast<const Bytef*>(rows.data()), rows.size());
  packed.resize(packed_size);
  std::string png = "\x89PNG\r\n\x1a\n";
  AppendChunk("IHDR", header, &png);
  AppendChunk("IDAT", packed, &png);
  AppendChunk("IEND", "", &png);
  return png;
}

std::string FrameAsBase64Png(const MiniGrid& grid) {
  return absl::Base64Escape(EncodePng(DrawFrame(grid)));
}

}  // namespace sojourn::envs::serve
