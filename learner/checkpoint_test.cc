#include "learner/checkpoint.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "learner/trainer_testing.h"

namespace sojourn::learner {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(directory_);
    config_.mutable_algorithm()->set_minibatches(2);
    trainer_ = Trainer::Create(config_, 0, ToyModel(), one_.get(), absl::Seconds(10)).value();
  }
  void TearDown() override { fs::remove_all(directory_); }

  void Train() {
    auto result = trainer_->Update(Play(trainer_->Policy(), config_, trainer_->version(), 2));
    ASSERT_TRUE(result.ok()) << result.status();
  }
  absl::Status Write() {
    Checkpoint checkpoint{.job_id = "job", .arm = 1, .state = trainer_->Export()};
    v1::RankUpdate& update = checkpoint.unacknowledged.emplace_back();
    update.set_update(trainer_->version() - 1);
    update.set_job_id("job\xc3\xa9");
    return WriteCheckpoint(directory_, checkpoint);
  }
  absl::StatusOr<Checkpoint> Find() { return FindNewestCheckpoint(directory_, "job", 1); }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  }

  const std::string directory_ = ::testing::TempDir() + "checkpoint_test/deep";
  v1::JobConfig config_ = ToyConfig("grpo");
  std::unique_ptr<Collective> one_ = SingleRank();
  std::unique_ptr<Trainer> trainer_;
};

TEST_F(CheckpointTest, ARunThatResumesEndsWithTheSameBits) {
  for (int i = 0; i < 3; ++i) Train();
  ASSERT_TRUE(Write().ok());
  for (int i = 0; i < 3; ++i) Train();

  auto found = Find();
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->state.version, 3);
  ASSERT_EQ(found->unacknowledged.size(), 1);
  EXPECT_EQ(found->unacknowledged[0].update(), 2);
  EXPECT_EQ(found->unacknowledged[0].job_id(), "job\xc3\xa9");
  auto resumed = Trainer::Create(config_, 0, ToyModel(), one_.get(), absl::Seconds(10)).value();
  ASSERT_TRUE(resumed->Restore(found->state).ok());
  while (resumed->version() < 6) {
    ASSERT_TRUE(resumed->Update(Play(resumed->Policy(), config_, resumed->version(), 2)).ok());
  }
  EXPECT_TRUE(SameBits(resumed->Export().weights, trainer_->Export().weights));
  EXPECT_TRUE(SameBits(resumed->Export().optimizer, trainer_->Export().optimizer));
  EXPECT_EQ(resumed->Export().optimizer_steps, trainer_->Export().optimizer_steps);
}

TEST_F(CheckpointTest, TheLastTwoAreKeptAndTheSameVersionIsReplaced) {
  for (int i = 0; i < 4; ++i) {
    Train();
    ASSERT_TRUE(Write().ok());
    ASSERT_TRUE(Write().ok());
  }
  EXPECT_EQ(Names(), (std::vector<std::string>{"version-00000003", "version-00000004"}));
  EXPECT_EQ(Find()->state.version, 4);
  EXPECT_EQ(FindNewestCheckpoint(directory_, "job", 1, 3)->state.version, 3);
}

TEST_F(CheckpointTest, ABrokenOneIsSkippedForTheOneBefore) {
  const std::function<void(const std::string&)> damages[] = {
      [](const std::string& path) {  // one bit of the weights
        std::fstream file(path + "/model.safetensors",
                          std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(-1, std::ios::end);
        const char last = static_cast<char>(file.get() ^ 1);
        file.seekp(-1, std::ios::end);
        file.put(last);
      },
      [](const std::string& path) { fs::resize_file(path + "/optimizer.safetensors", 100); },
      [](const std::string& path) { fs::remove(path + "/state.json"); },
      [](const std::string& path) { std::ofstream(path + "/state.json") << "{\"version\": []}"; },
      [](const std::string& path) { std::ofstream(path + "/state.json") << "no json"; },
  };
  for (const auto& damage : damages) {
    Train();
    ASSERT_TRUE(Write().ok());
    const uint64_t before = trainer_->version();
    Train();
    ASSERT_TRUE(Write().ok());
    damage(directory_ + "/" + Names().back());
    auto found = Find();
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->state.version, before);
  }
}

TEST_F(CheckpointTest, HalfWrittenAndForeignOnesAreNotFound) {
  EXPECT_EQ(Find().status().code(), absl::StatusCode::kNotFound);
  Train();
  ASSERT_TRUE(Write().ok());
  EXPECT_EQ(FindNewestCheckpoint(directory_, "other", 1).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(FindNewestCheckpoint(directory_, "job", 0).status().code(),
            absl::StatusCode::kNotFound);
  fs::rename(directory_ + "/version-00000001", directory_ + "/.writing");
  EXPECT_EQ(Find().status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Write().ok());  // in spite of the rest of a crash
  EXPECT_EQ(Names(), (std::vector<std::string>{"version-00000001"}));
}

TEST_F(CheckpointTest, ATrainerRefusesTheStateOfAnotherModel) {
  TrainerState state = trainer_->Export();
  state.weights.erase("model.norm.weight");
  EXPECT_EQ(trainer_->Restore(state).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sojourn::learner
