#include "learner/nccl_collective.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace sojourn::learner {
namespace {

constexpr absl::Duration kPoll = absl::Microseconds(50);
// How long control may take to say who is at fault once NCCL has failed.
constexpr absl::Duration kBlame = absl::Seconds(2);

absl::Status Cuda(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("CUDA: ", what, ": ", cudaGetErrorString(error)));
}
absl::Status Nccl(ncclResult_t result, const char* what) {
  if (result == ncclSuccess || result == ncclInProgress) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("NCCL: ", what, ": ", ncclGetErrorString(result)));
}

class NcclCollective : public Collective {
 public:
  NcclCollective(std::unique_ptr<Collective> control, int device)
      : control_(std::move(control)), device_(device) {}

  ~NcclCollective() override {
    if (cudaSetDevice(device_) != cudaSuccess) return;
    if (comm_ != nullptr) ncclCommAbort(comm_);  // frees it without waiting for anybody
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
    if (buffer_ != nullptr) cudaFree(buffer_);
  }

  absl::Status Connect(absl::Duration timeout) {
    const absl::Time deadline = absl::Now() + timeout;
    absl::Status status = Cuda(cudaSetDevice(device_), "cudaSetDevice");
    if (!status.ok()) return status;
    status = Cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    if (!status.ok()) return status;
    ncclUniqueId id{};
    if (rank() == 0) {
      status = Nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
      if (!status.ok()) return status;
    }
    std::string bytes(reinterpret_cast<const char*>(&id), sizeof(id));
    status = control_->Broadcast(0, bytes, timeout);
    if (!status.ok()) return status;
    std::memcpy(&id, bytes.data(), sizeof(id));
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    status =
        Nccl(ncclCommInitRankConfig(&comm_, size(), id, rank(), &config), "ncclCommInitRankConfig");
    if (!status.ok()) return status;
    return Await("forming", deadline, timeout, [] { return cudaSuccess; });
  }

  int rank() const override { return control_->rank(); }
  int size() const override { return control_->size(); }

  absl::Status AllReduceSum(absl::Span<float> values, absl::Duration timeout) override {
    if (!error_.ok()) return error_;
    if (aborted_) return Fail(absl::AbortedError("aborted"));
    if (values.empty()) return absl::OkStatus();
    const absl::Time deadline = absl::Now() + timeout;
    const size_t bytes = values.size() * sizeof(float);
    absl::Status status = Cuda(cudaSetDevice(device_), "cudaSetDevice");
    if (status.ok()) status = Reserve(bytes);
    if (status.ok()) {
      status = Cuda(cudaMemcpyAsync(buffer_, values.data(), bytes, cudaMemcpyHostToDevice, stream_),
                    "copy");
    }
    if (status.ok()) {
      status =
          Nccl(ncclAllReduce(buffer_, buffer_, values.size(), ncclFloat, ncclSum, comm_, stream_),
               "ncclAllReduce");
    }
    if (!status.ok()) return Fail(status);
    status = Await("adding up gradients", deadline, timeout,
                   [this] { return cudaStreamQuery(stream_); });
    if (!status.ok()) return status;
    status = Cuda(cudaMemcpy(values.data(), buffer_, bytes, cudaMemcpyDeviceToHost), "copy");
    return status.ok() ? status : Fail(status);
  }
  absl::Status AllReduceSum(absl::Span<double> values, absl::Duration timeout) override {
    return error_.ok() ? control_->AllReduceSum(values, timeout) : error_;
  }
  absl::Status Barrier(absl::Duration timeout) override {
    return error_.ok() ? control_->Barrier(timeout) : error_;
  }
  absl::Status Broadcast(int root, std::string& bytes, absl::Duration timeout) override {
    return error_.ok() ? control_->Broadcast(root, bytes, timeout) : error_;
  }
  void Abort(std::string_view reason) override {
    aborted_ = true;  // a call under way sees it at its next poll
    control_->Abort(reason);
  }

 private:
  absl::Status Reserve(size_t bytes) {
    if (bytes <= buffer_bytes_) return absl::OkStatus();
    if (buffer_ != nullptr) cudaFree(std::exchange(buffer_, nullptr));
    buffer_bytes_ = 0;
    absl::Status status = Cuda(cudaMalloc(&buffer_, bytes), "cudaMalloc");
    if (status.ok()) buffer_bytes_ = bytes;
    return status;
  }

  // Polls NCCL until it has nothing under way and `stream` reports success.
  absl::Status Await(const char* what, absl::Time deadline, absl::Duration timeout,
                     const std::function<cudaError_t()>& stream) {
    while (true) {
      ncclResult_t state = ncclSuccess;
      absl::Status status = Nccl(ncclCommGetAsyncError(comm_, &state), what);
      if (status.ok()) status = Nccl(state, what);
      if (!status.ok()) return FailAndBlame(status);
      if (state == ncclSuccess) {
        const cudaError_t error = stream();
        if (error == cudaSuccess) return absl::OkStatus();
        if (error != cudaErrorNotReady) return Fail(Cuda(error, what));
      }
      if (aborted_) return Fail(absl::AbortedError("aborted"));
      if (absl::Now() >= deadline) {
        return FailAndBlame(absl::DeadlineExceededError(absl::StrCat("rank ", rank(), " waited ",
                                                                     absl::FormatDuration(timeout),
                                                                     " for NCCL during ", what)));
      }
      absl::SleepFor(kPoll);
    }
  }

  // The comm is over, for a reason of this rank's own.
  absl::Status Fail(absl::Status error) {
    if (comm_ != nullptr) ncclCommAbort(std::exchange(comm_, nullptr));
    control_->Abort(std::string(error.message()));
    return error_ = error;
  }

  // The comm failed or stands still. Every rank that lives comes here within its deadline, so that
  // a barrier finds the one that does not; its error names the rank, which NCCL's cannot.
  absl::Status FailAndBlame(absl::Status error) {
    if (comm_ != nullptr) ncclCommAbort(std::exchange(comm_, nullptr));
    const absl::Status blame = control_->Barrier(kBlame);
    return Fail(blame.ok() ? error : blame);
  }

  const std::unique_ptr<Collective> control_;
  const int device_;
  std::atomic<bool> aborted_{false};
  absl::Status error_;
  ncclComm_t comm_ = nullptr;
  cudaStream_t stream_ = nullptr;
  void* buffer_ = nullptr;
  size_t buffer_bytes_ = 0;
};

}  // namespace

bool HasNccl() { return true; }

absl::StatusOr<std::unique_ptr<Collective>> ConnectNccl(std::unique_ptr<Collective> control,
                                                        int device, absl::Duration timeout) {
  int devices = 0;
  absl::Status status = Cuda(cudaGetDeviceCount(&devices), "looking for GPUs");
  if (status.ok() && (device < 0 || device >= devices)) {
    status = absl::UnavailableError(absl::StrCat("GPU ", device, ": this machine has ", devices));
  }
  auto collective = std::make_unique<NcclCollective>(std::move(control), device);
  if (status.ok()) status = collective->Connect(timeout);
  if (!status.ok()) {
    collective->Abort(std::string(status.message()));  // the other ranks need not wait
    return status;
  }
  return collective;
}

}  // namespace sojourn::learner
