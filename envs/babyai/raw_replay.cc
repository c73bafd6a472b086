#include "envs/babyai/raw_replay.h"

#include <lzma.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "envs/babyai/minigrid.h"

namespace sojourn::envs::babyai {
namespace {

using nlohmann::json;

json CellJson(const Cell& cell) {
  return json::array({static_cast<int>(cell.kind), static_cast<int>(cell.color), static_cast<int>(cell.state)});
}

// Grid.encode(), [x][y][kind, colour, state].
json GridJson(const MiniGrid& level) {
  json grid = json::array();
  for (int x = 0; x < level.width(); ++x) {
    json column = json::array();
    for (int y = 0; y < level.height(); ++y) column.push_back(CellJson(level.at(x, y)));
    grid.push_back(std::move(column));
  }
  return grid;
}

void AppendCell(const Cell& cell, std::string* bytes) {
  bytes->push_back(static_cast<char>(cell.kind));
  bytes->push_back(static_cast<char>(cell.color));
  bytes->push_back(static_cast<char>(cell.state));
}

std::string GridBytes(const MiniGrid& level) {
  std::string bytes;
  for (int x = 0; x < level.width(); ++x) {
    for (int y = 0; y < level.height(); ++y) AppendCell(level.at(x, y), &bytes);
  }
  return bytes;
}

std::string ViewBytes(const MiniGrid& level) {
  std::string bytes;
  for (const auto& column : level.view()) {
    for (const Cell& cell : column) AppendCell(cell, &bytes);
  }
  return bytes;
}

std::string Hex(const std::string& bytes) {
  std::string text;
  for (const unsigned char byte : bytes) absl::StrAppend(&text, absl::Hex(byte, absl::kZeroPad2));
  return text;
}

uint32_t Crc32(const std::string& bytes) {
  return lzma_crc32(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), 0);
}

// [[x, y, contained kind, colour], ...] of the boxes that hold something, by column.
json BoxesJson(const MiniGrid& level) {
  json boxes = json::array();
  for (int x = 0; x < level.width(); ++x) {
    for (int y = 0; y < level.height(); ++y) {
      const Cell& cell = level.at(x, y);
      const Cell* content = cell.kind == Kind::kBox ? level.contains(cell.id) : nullptr;
      if (content == nullptr) continue;
      boxes.push_back({x, y, std::string(KindName(content->kind)), std::string(ColorName(content->color))});
    }
  }
  return boxes;
}

json CarryingJson(const MiniGrid& level) {
  const Cell cell = level.carrying();
  if (cell.kind == Kind::kEmpty) return json();
  return json::array({std::string(KindName(cell.kind)), std::string(ColorName(cell.color))});
}

class Comparison {
 public:
  void Equal(const std::string& what, const json& expected, const json& actual) {
    if (expected == actual) return;
    differences_.push_back(absl::StrCat(what, ": expected ", Short(expected), ", got ", Short(actual)));
  }
  std::vector<std::string> Take() { return std::move(differences_); }

 private:
  static std::string Short(const json& value) {
    const std::string text = value.dump();
    return text.size() <= 200 ? text : absl::StrCat(text.substr(0, 200), "...");
  }
  std::vector<std::string> differences_;
};

std::vector<std::string> Replay(const json& trace, MiniGrid& level) {
  Comparison compare;
  const auto seed = trace.at("seed").get<uint64_t>();
  level.Reset(seed);
  compare.Equal("mission", trace.at("mission"), level.mission());
  compare.Equal("grid", trace.at("grid"), GridJson(level));
  compare.Equal("boxes", trace.at("boxes"), BoxesJson(level));
  compare.Equal("agent_pos", trace.at("agent_pos"), {level.agent_pos().x, level.agent_pos().y});
  compare.Equal("agent_dir", trace.at("agent_dir"), level.agent_dir());
  compare.Equal("carrying", trace.at("carrying"), CarryingJson(level));
  compare.Equal("max_steps", trace.at("max_steps"), level.max_steps());
  compare.Equal("view", trace.at("view"), Hex(ViewBytes(level)));
  compare.Equal("rejects", trace.at("rejects"), level.rejections().size());   // lines printed while generating
  if (trace.at("second_reset").is_null()) {   // resetting the same object again gave the same
    level.Reset(seed);
    compare.Equal("second reset's grid", trace.at("grid"), GridJson(level));
    compare.Equal("second reset's mission", trace.at("mission"), level.mission());
  }
  const json& steps = trace.at("steps");
  for (size_t i = 0; i < steps.size(); ++i) {
    const json& step = steps[i];   // [action, agent_pos, agent_dir, reward, terminated, truncated, carrying, crc32s]
    const int action = step.at(0).get<int>();
    if (action < 0 || action > 6) {
      compare.Equal(absl::StrCat("steps[", i, "] action"), action, "0 to 6");
      break;
    }
    const StepOutcome outcome = level.Step(static_cast<Action>(action));
    const std::string at = absl::StrCat("steps[", i, "] ");
    compare.Equal(at + "agent_pos", step.at(1), {level.agent_pos().x, level.agent_pos().y});
    compare.Equal(at + "agent_dir", step.at(2), level.agent_dir());
    if (std::abs(step.at(3).get<double>() - outcome.reward) > 1e-12) compare.Equal(at + "reward", step.at(3), outcome.reward);
    compare.Equal(at + "terminated", step.at(4), outcome.terminated);
    compare.Equal(at + "truncated", step.at(5), outcome.truncated);
    compare.Equal(at + "carrying", step.at(6), CarryingJson(level));
    compare.Equal(at + "view", step.at(7), Crc32(ViewBytes(level)));
    compare.Equal(at + "grid", step.at(8), Crc32(GridBytes(level)));
  }
  compare.Equal("final_grid", trace.at("final_grid"), GridJson(level));
  compare.Equal("final_view", trace.at("final_view"), Hex(ViewBytes(level)));
  compare.Equal("final_boxes", trace.at("final_boxes"), BoxesJson(level));
  return compare.Take();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ReplayRaw(const json& trace) {
  try {
    auto level = MakeLevel(trace.at("gym_id").get<std::string>());
    if (!level.ok()) return level.status();
    return Replay(trace, **level);
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not a MiniGrid trace: ", error.what()));
  }
}

}  // namespace sojourn::envs::babyai
