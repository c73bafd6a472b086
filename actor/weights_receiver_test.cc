#include "actor/weights_receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actor/fake_learner.h"
#include "common/files.h"

namespace sojourn::actor {
namespace {

using ::testing::HasSubstr;

class WeightsReceiverTest : public ::testing::Test {
 protected:
  WeightsReceiverTest() {
    server_ = *RpcServer::Start({&weights_}, "127.0.0.1:0");
    address_ = absl::StrCat("127.0.0.1:", server_->port());
    EXPECT_TRUE(
        WriteFileAtomically(model_path_ + "/config.json", policy::ModelConfigJson(config_)).ok());
    receiver_ = std::make_unique<WeightsReceiver>(actor_metrics_, RandomKey(1), [this] {
      std::lock_guard lock(mu_);
      changed_.notify_all();
    });
    receiver_->SetJob("job", model_path_);
  }
  ~WeightsReceiverTest() override {
    receiver_.reset();
    server_->Shutdown(absl::ZeroDuration());
  }
  bool WaitFor(const std::function<bool()>& condition) {
    std::unique_lock lock(mu_);
    for (int i = 0; i < 3000; ++i) {
      if (condition()) return true;
      changed_.wait_for(lock, std::chrono::milliseconds(10));
    }
    return false;
  }

  const policy::ModelConfig config_ = TinyModel(259);
  const std::string model_path_ = ::testing::TempDir() + "weights_receiver_test";
  Metrics metrics_;
  ActorMetrics actor_metrics_{metrics_};
  FakeWeights weights_;
  std::unique_ptr<RpcServer> server_;
  std::string address_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::unique_ptr<WeightsReceiver> receiver_;
};

TEST_F(WeightsReceiverTest, FetchesWhatIsWantedInOrderBitForBit) {
  weights_.Publish(config_, 3);
  weights_.Publish(config_, 4);
  receiver_->SetLearners({address_});
  receiver_->Want({{0, 3}, {0, 4}});
  ASSERT_TRUE(WaitFor([&] {
    return receiver_->Take({0, 3}) != nullptr && receiver_->Take({0, 4}) != nullptr;
  }));
  const auto model = receiver_->Take({0, 4});
  for (const auto& [name, tensor] : policy::RandomWeights(config_, RandomKey(4))) {
    EXPECT_TRUE(tensor.equal(model->weights().at(name))) << name;
  }
  receiver_->Want({{0, 4}});
  EXPECT_EQ(receiver_->Take({0, 3}), nullptr);
  EXPECT_NE(receiver_->Take({0, 4}), nullptr);
}

TEST_F(WeightsReceiverTest, ABrokenTransferGoesOnWhereItBroke) {
  weights_.Publish(config_, 1);
  weights_.break_transfers = 3;
  receiver_->SetLearners({address_});
  receiver_->Want({{0, 1}});
  EXPECT_TRUE(WaitFor([&] { return receiver_->Take({0, 1}) != nullptr; }));
  EXPECT_EQ(weights_.requests, 1);
}

TEST_F(WeightsReceiverTest, AnotherRankIsAskedWhenOneHasNotTheVersion) {
  FakeWeights empty;
  auto other = *RpcServer::Start({&empty}, "127.0.0.1:0");
  weights_.Publish(config_, 1);
  receiver_->SetLearners({absl::StrCat("127.0.0.1:", other->port()), "", address_});
  receiver_->Want({{0, 1}});
  EXPECT_TRUE(WaitFor([&] { return receiver_->Take({0, 1}) != nullptr; }));
  receiver_.reset();
  other->Shutdown(absl::ZeroDuration());
}

TEST_F(WeightsReceiverTest, DamagedWeightsAreRefused) {
  weights_.change_manifest = [](v1::WeightsManifest& manifest) { manifest.set_sha256("00"); };
  weights_.Publish(config_, 1);
  receiver_->SetLearners({address_});
  receiver_->Want({{0, 1}});
  EXPECT_TRUE(
      WaitFor([&] { return receiver_->waiting_for().first.find("SHA-256") != std::string::npos; }));
  EXPECT_EQ(receiver_->Take({0, 1}), nullptr);
}

TEST_F(WeightsReceiverTest, AManifestOfAnotherModelIsRefusedBeforeAnythingIsAllocated) {
  weights_.change_manifest = [](v1::WeightsManifest& manifest) {
    manifest.mutable_tensors(0)->set_shape(0, int64_t{1} << 50);
    manifest.set_total_bytes(uint64_t{1} << 60);
  };
  weights_.Publish(config_, 1);
  receiver_->SetLearners({address_});
  receiver_->Want({{0, 1}});
  EXPECT_TRUE(WaitFor(
      [&] { return receiver_->waiting_for().first.find("another shape") != std::string::npos; }));
}

TEST_F(WeightsReceiverTest, AManifestThatNamesATensorTwiceIsRefused) {
  weights_.change_manifest = [](v1::WeightsManifest& manifest) {
    for (int i = 0; i < 1000; ++i) *manifest.add_tensors() = manifest.tensors(0);
  };
  weights_.Publish(config_, 1);
  receiver_->SetLearners({address_});
  receiver_->Want({{0, 1}});
  EXPECT_TRUE(WaitFor(
      [&] { return receiver_->waiting_for().first.find("comes twice") != std::string::npos; }));
}

TEST_F(WeightsReceiverTest, SaysWhomItWaitsFor) {
  receiver_->Want({{0, 9}});
  EXPECT_TRUE(WaitFor([&] {
    return receiver_->waiting_for().first.find("no learner has joined") != std::string::npos;
  }));
  receiver_->SetLearners({address_});
  EXPECT_TRUE(WaitFor([&] { return receiver_->NotFoundFor({0, 9}) > absl::ZeroDuration(); }));
  EXPECT_THAT(receiver_->waiting_for().first,
              HasSubstr("policy version 9 of arm 0 from learner rank 0 (" + address_));
}

}  // namespace
}  // namespace sojourn::actor
