#include "cli/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/files.h"

namespace sojourn::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string Write(const std::string& name, const std::string& text) {
  const std::string path = ::testing::TempDir() + "/replay_test_" + name;
  EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  return path;
}

std::vector<FileReplay> Replay(const std::vector<std::string>& paths) {
  return ReplayFiles(paths, 2, [](int64_t, int64_t) {});
}

constexpr char kEpisode[] =
    R"({"data_idx": 0, "reset": {"id": 0, "observation": "Crafting commands:\ncraft 4 acacia planks using 1 acacia logs\n\nGoal: craft acacia planks.", "done": false, "reward": 0}, "steps": [{"action": "inventory", "observation": "Inventory: You are not carrying anything.", "reward": 0, "done": false}]})"
    "\n";
constexpr char kClient[] =
    R"({"client": "textcraft", "response": "Action: get 1 string", "posted_action": "get 1 string", "local_state": null})"
    "\n";
constexpr char kRequest[] =
    R"({"method": "GET", "path": "/", "body": null, "raw_body": null, "status": 200, "content_type": "application/json", "response_text": "\"This is environment TextCraft.\""})"
    "\n";

TEST(Replay, KnowsFormatsByWhatTheLinesHold) {
  const auto files = Replay({Write("a.jsonl", std::string(kEpisode) + kClient + "\n" + kClient),
                             Write("b.jsonl", std::string(kRequest) + kRequest)});
  ASSERT_EQ(files.size(), 2);
  EXPECT_THAT(files[0].episodes, ElementsAre(Pair("client", 2), Pair("textcraft", 1)));
  EXPECT_THAT(files[0].differences, IsEmpty());
  EXPECT_THAT(files[1].episodes, ElementsAre(Pair("http", 1)));
  EXPECT_THAT(files[1].differences, IsEmpty());
}

TEST(Replay, SaysWhatDiffersInWhichLine) {
  std::string changed = kEpisode;
  changed.replace(changed.find("not carrying"), 12, "now carrying");
  const auto files = Replay({Write("c.jsonl", std::string(kEpisode) + "\n" + changed)});
  ASSERT_EQ(files[0].differences.size(), 1);
  EXPECT_EQ(files[0].differences[0].line, 3);
  EXPECT_THAT(files[0].differences[0].text, HasSubstr("inventory"));
}

TEST(Replay, ABrokenLineOrFileIsADifference) {
  const auto files =
      Replay({Write("d.jsonl", std::string("{\"data_idx\": 0, \"res\n") + kClient +
                                   "{\"data_idx\": 0, \"env\": \"textcraft\"}\n{\"x\": 1}\n"),
              "/no/such/file.jsonl", Write("e.jsonl", ""), Write("f.jsonl.xz", "not packed")});
  ASSERT_EQ(files.size(), 4);
  std::vector<int64_t> lines;
  for (const auto& difference : files[0].differences) lines.push_back(difference.line);
  EXPECT_THAT(lines, ElementsAre(1, 3, 4));
  EXPECT_THAT(files[0].differences[2].text, HasSubstr("its fields: x"));
  for (int i = 1; i < 4; ++i) EXPECT_EQ(files[i].differences.size(), 1) << files[i].path;
  EXPECT_THAT(files[1].differences[0].text, HasSubstr("/no/such/file.jsonl"));
}

TEST(Replay, FindsTheGamesOfAlfWorldBesideItsEpisodes) {
  const auto files = Replay({"envs/alfworld/testdata/recorded.jsonl.xz"});
  EXPECT_THAT(files[0].episodes, ElementsAre(Pair("alfworld", 4)));
  EXPECT_THAT(files[0].differences, IsEmpty());
}

TEST(Replay, RecordingsOfAShopNeedItsProducts) {
  const auto files = Replay(
      {Write("g.jsonl", "{\"env\": \"webshop\", \"session_id\": 4}\n"),
       Write("i.json", "{\n \"B09NNMV9LN\": 12.5,\n \"B01HQTWL6S\": 3\n}\n"),
       Write("j.jsonl",
             "{\"method\": \"GET\", \"path\": \"/list_envs\", \"response_text\": \"[]\"}\n")});
  for (const FileReplay& file : files) {
    ASSERT_EQ(file.differences.size(), 1) << file.path;
    EXPECT_THAT(file.differences[0].text, HasSubstr("no folder \"webshop\" with products"));
  }
}

}  // namespace
}  // namespace sojourn::cli
