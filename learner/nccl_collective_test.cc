#include "learner/nccl_collective.h"

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "learner/tcp_collective.h"

namespace sojourn::learner {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(30);

int Gpus() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

TEST(NcclCollective, AMissingGpuIsAnErrorThatSaysSo) {
  const auto collective = ConnectNccl(SingleRank(), Gpus(), kTimeout);
  EXPECT_EQ(collective.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(collective.status().message()), ::testing::ContainsRegex("GPU"));
}

// As many ranks as there are GPUs.
TEST(NcclCollective, AddsUpOverGpus) {
  const int size = Gpus();
  if (size == 0) GTEST_SKIP() << "no GPU";
  std::vector<std::unique_ptr<TcpListener>> listeners;
  std::vector<std::string> addresses;
  for (int r = 0; r < size; ++r) {
    listeners.push_back(TcpListener::Create("127.0.0.1:0").value());
    addresses.push_back(listeners.back()->address());
  }
  std::vector<std::thread> ranks;
  for (int r = 0; r < size; ++r) {
    ranks.emplace_back([&, r] {
      auto control = ConnectTcp(*listeners[r], {.rank = r, .addresses = addresses});
      ASSERT_TRUE(control.ok()) << control.status();
      auto collective = ConnectNccl(*std::move(control), r, kTimeout);
      ASSERT_TRUE(collective.ok()) << collective.status();
      std::vector<float> values(100000, r + 1.0f);
      for (int round = 0; round < 3; ++round) {
        values.assign(values.size(), r + 1.0f);
        const absl::Status status = (*collective)->AllReduceSum(absl::MakeSpan(values), kTimeout);
        ASSERT_TRUE(status.ok()) << status;
        ASSERT_EQ(values.front(), size * (size + 1) / 2);
        ASSERT_EQ(values.back(), values.front());
      }
      ASSERT_TRUE((*collective)->Barrier(kTimeout).ok());
    });
  }
  for (auto& rank : ranks) rank.join();
}

TEST(NcclCollective, AnAbortEndsIt) {
  if (Gpus() == 0) GTEST_SKIP() << "no GPU";
  auto collective = ConnectNccl(SingleRank(), 0, kTimeout).value();
  collective->Abort("over");
  float value = 1;
  EXPECT_EQ(collective->AllReduceSum(absl::MakeSpan(&value, 1), kTimeout).code(),
            absl::StatusCode::kAborted);
}

}  // namespace
}  // namespace sojourn::learner
