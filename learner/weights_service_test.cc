#include "learner/weights_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc.h"
#include "common/sha256.h"

namespace sojourn::learner {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::TensorInfo Tensor(int64_t rows) {
  v1::TensorInfo tensor;
  tensor.set_name("weight");
  tensor.set_dtype("F32");
  tensor.add_shape(rows);
  tensor.add_shape(2);
  return tensor;
}

absl::Status Publish(WeightsStore& store, uint64_t version, char fill, int64_t rows = 3) {
  return store.Publish(version, {Tensor(rows)}, std::string(rows * 8, fill));
}

std::vector<uint64_t> Versions(const WeightsStore& store) {
  std::vector<uint64_t> versions;
  for (const PolicyVersionPtr& version : store.All())
    versions.push_back(version->manifest.version());
  return versions;
}

TEST(WeightsStoreTest, AVersionNeverChanges) {
  WeightsStore store;
  store.StartArm("job", 0, 2);
  EXPECT_TRUE(Publish(store, 1, 'a').ok());
  EXPECT_TRUE(Publish(store, 1, 'a').ok());
  EXPECT_EQ(Publish(store, 1, 'b').code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ((*store.Find("job", 0, 1))->bytes, std::string(24, 'a'));
}

TEST(WeightsStoreTest, KeepsTheNewestAndThePinned) {
  WeightsStore store;
  store.StartArm("job", 0, 2);
  for (uint64_t v = 0; v < 3; ++v) EXPECT_TRUE(Publish(store, v, 'a').ok());
  EXPECT_THAT(Versions(store), ElementsAre(1, 2));
  store.Pin(2);
  for (uint64_t v = 3; v < 6; ++v) EXPECT_TRUE(Publish(store, v, 'a').ok());
  EXPECT_THAT(Versions(store), ElementsAre(2, 4, 5));
  store.Pin(5);
  EXPECT_THAT(Versions(store), ElementsAre(4, 5));
}

TEST(WeightsStoreTest, RefusesBytesThatDoNotAddUp) {
  WeightsStore store;
  store.StartArm("job", 0, 2);
  EXPECT_THAT(std::string(store.Publish(0, {Tensor(3)}, "short").message()),
              HasSubstr("24 bytes, but there are 5"));
}

TEST(WeightsStoreTest, OlderVersionsAndThePinnedOneSurviveARestart) {
  const std::string directory = testing::TempDir() + "/weights_store_test";
  std::filesystem::remove_all(directory);
  {
    WeightsStore store;
    store.StartArm("job", 0, 3);
    EXPECT_TRUE(Publish(store, 2, 'p').ok());
    store.Pin(2);
    for (uint64_t v = 3; v <= 7; ++v)
      EXPECT_TRUE(Publish(store, v, static_cast<char>('a' + v)).ok());
    EXPECT_TRUE(store.SaveOlder(directory, 7).ok());
    EXPECT_TRUE(Publish(store, 8, 'x').ok());
    EXPECT_TRUE(store.SaveOlder(directory, 8).ok());
    EXPECT_TRUE(store.RemoveStale(directory).ok());
  }
  WeightsStore store;
  store.StartArm("job", 0, 3);
  EXPECT_TRUE(store.LoadOlder(directory, 8).ok());
  EXPECT_TRUE(Publish(store, 8, 'x').ok());
  EXPECT_THAT(Versions(store), ElementsAre(2, 6, 7, 8));
  EXPECT_EQ((*store.Find("job", 0, 7))->bytes, std::string(24, 'a' + 7));
  EXPECT_TRUE(Publish(store, 9, 'y').ok());
  EXPECT_THAT(Versions(store), ElementsAre(2, 7, 8, 9));

  std::ofstream(directory + "/version-00000007.weights", std::ios::app) << "x";  // damaged: skipped
  WeightsStore damaged;
  damaged.StartArm("job", 0, 3);
  EXPECT_TRUE(damaged.LoadOlder(directory, 8).ok());
  EXPECT_THAT(Versions(damaged), ElementsAre(2, 6));
  std::filesystem::remove_all(directory);
}

class WeightsServiceTest : public testing::Test {
 protected:
  WeightsServiceTest() {
    server_ = *RpcServer::Start({&service_}, "localhost:0");
    stub_ = v1::WeightsService::NewStub(MakeChannel(absl::StrCat("localhost:", server_->port())));
    store_.StartArm("job", 1, 2);
  }
  ~WeightsServiceTest() override { store_.Close(); }

  absl::Status GetManifest(uint64_t version, uint32_t wait_ms, v1::WeightsManifest* manifest,
                           uint32_t arm = 1) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    v1::WeightsRequest request;
    request.set_job_id("job");
    request.set_arm(arm);
    request.set_version(version);
    request.set_wait_ms(wait_ms);
    return FromGrpcStatus(stub_->GetManifest(&context, request, manifest));
  }
  absl::Status GetChunks(uint64_t version, uint32_t first, std::string* bytes) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    v1::ChunkRequest request;
    request.set_job_id("job");
    request.set_arm(1);
    request.set_version(version);
    request.set_first_chunk(first);
    auto stream = stub_->GetChunks(&context, request);
    v1::WeightsChunk chunk;
    uint32_t index = first;
    while (stream->Read(&chunk)) {
      EXPECT_EQ(chunk.index(), index++);
      *bytes += chunk.data();
    }
    return FromGrpcStatus(stream->Finish());
  }

  Metrics metrics_;
  WeightsStore store_;
  WeightsService service_{store_, metrics_};
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<v1::WeightsService::Stub> stub_;
  v1::WeightsManifest manifest_;
};

TEST_F(WeightsServiceTest, BytesArriveWholeAndFromAnyChunk) {
  const int64_t rows = 300000;  // 2.4 MB: three chunks
  std::string bytes(rows * 8, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 13);
  ASSERT_TRUE(store_.Publish(4, {Tensor(rows)}, bytes).ok());
  ASSERT_TRUE(GetManifest(4, 0, &manifest_).ok());
  EXPECT_EQ(manifest_.version(), 4);
  EXPECT_EQ(manifest_.total_bytes(), bytes.size());
  EXPECT_EQ(manifest_.chunks(), 3);
  EXPECT_EQ(manifest_.sha256(), Sha256Hex(bytes));
  std::string received;
  ASSERT_TRUE(GetChunks(4, 0, &received).ok());
  EXPECT_TRUE(received == bytes);
  received.clear();
  ASSERT_TRUE(GetChunks(4, 2, &received).ok());
  EXPECT_TRUE(received == bytes.substr(2 * kChunkBytes));
  EXPECT_EQ(GetChunks(4, 4, &received).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(WeightsServiceTest, AWaitEndsWhenTheVersionIsMade) {
  ASSERT_TRUE(Publish(store_, 0, 'a').ok());
  auto answer = std::async(std::launch::async, [&] { return GetManifest(1, 20000, &manifest_); });
  ASSERT_TRUE(Publish(store_, 1, 'b').ok());
  EXPECT_TRUE(answer.get().ok());
  EXPECT_EQ(manifest_.version(), 1);
}

TEST_F(WeightsServiceTest, ErrorsSayWhatThereIs) {
  for (uint64_t v = 0; v < 4; ++v) ASSERT_TRUE(Publish(store_, v, 'a').ok());
  const absl::Status gone = GetManifest(1, 20000, &manifest_);
  EXPECT_EQ(gone.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(gone.message()),
              HasSubstr("version 1 is gone; here are versions [2, 3] of (job, arm 1)"));
  const absl::Status late = GetManifest(5, 10, &manifest_);
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(late.message()), HasSubstr("here are versions [2, 3]"));
  EXPECT_EQ(GetManifest(3, 20000, &manifest_, /*arm=*/0).code(), absl::StatusCode::kNotFound);
  std::string bytes;
  EXPECT_EQ(GetChunks(1, 0, &bytes).code(), absl::StatusCode::kNotFound);
}

TEST_F(WeightsServiceTest, ANewArmEndsWaitsForTheOldOne) {
  auto answer = std::async(std::launch::async, [&] { return GetManifest(1, 20000, &manifest_); });
  store_.StartArm("job", 2, 2);
  EXPECT_EQ(answer.get().code(), absl::StatusCode::kNotFound);
}

TEST_F(WeightsServiceTest, ClosingEndsWaits) {
  auto answer = std::async(std::launch::async, [&] { return GetManifest(1, 20000, &manifest_); });
  store_.Close();
  EXPECT_EQ(answer.get().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace sojourn::learner
