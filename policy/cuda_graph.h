// Work on a GPU, recorded once and started again as a whole. The recording is LibTorch's, in a library of its own
// (sojourn_cuda, built where the CUDA toolkit is) that is loaded when it is first needed.
#ifndef SOJOURN_POLICY_CUDA_GRAPH_H_
#define SOJOURN_POLICY_CUDA_GRAPH_H_

#include <functional>
#include <memory>

namespace sojourn::policy {

class CudaGraph {
 public:
  virtual ~CudaGraph() = default;
  virtual void Replay() = 0;

  // Runs `work` to warm up, then records it: it must read and write the same tensors each time and wait for nothing.
  // Null, with a line in the log, when it cannot be recorded.
  static std::unique_ptr<CudaGraph> Capture(int device, const std::function<void()>& work);
};

// False, with a line in the log the first time, when the library is not there.
bool HasCudaGraphs();

// What the library offers, under this name.
inline constexpr char kCaptureCudaGraph[] = "SojournCaptureCudaGraph";
using CaptureCudaGraph = CudaGraph* (*)(int device, const std::function<void()>& work);

}  // namespace sojourn::policy

#endif  // SOJOURN_POLICY_CUDA_GRAPH_H_
