// sojourn_cuda: LibTorch's CUDA graphs behind one function.
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "policy/cuda_graph.h"

namespace sojourn::policy {
namespace {

class Graph : public CudaGraph {
 public:
  Graph(int device, const std::function<void()>& work)
      : stream_(c10::cuda::getStreamFromPool(false, static_cast<c10::DeviceIndex>(device))) {
    const c10::cuda::CUDAStream outer = c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device));
    outer.synchronize();
    {
      const c10::cuda::CUDAStreamGuard guard(stream_);
      work();
      stream_.synchronize();
      graph_.capture_begin();
      work();
      graph_.capture_end();
    }
    stream_.synchronize();
  }
  void Replay() override { graph_.replay(); }

 private:
  c10::cuda::CUDAStream stream_;
  at::cuda::CUDAGraph graph_;
};

}  // namespace
}  // namespace sojourn::policy

extern "C" __attribute__((visibility("default"))) sojourn::policy::CudaGraph* SojournCaptureCudaGraph(
    int device, const std::function<void()>& work) {
  return new sojourn::policy::Graph(device, work);
}
