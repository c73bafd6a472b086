#include "policy/cuda_graph.h"

#include <dlfcn.h>
#include <spdlog/spdlog.h>

#include <exception>

namespace sojourn::policy {
namespace {

CaptureCudaGraph Library() {
  static const CaptureCudaGraph capture = [] {
    void* const library = dlopen("libsojourn_cuda.so", RTLD_NOW);
    void* const symbol = library == nullptr ? nullptr : dlsym(library, kCaptureCudaGraph);
    if (symbol == nullptr) spdlog::warn("decoding without CUDA graphs, which is slower: {}", dlerror());
    return reinterpret_cast<CaptureCudaGraph>(symbol);
  }();
  return capture;
}

}  // namespace

bool HasCudaGraphs() { return Library() != nullptr; }

std::unique_ptr<CudaGraph> CudaGraph::Capture(int device, const std::function<void()>& work) {
  if (!HasCudaGraphs()) return nullptr;
  try {
    return std::unique_ptr<CudaGraph>(Library()(device, work));
  } catch (const std::exception& error) {
    spdlog::warn("decoding without CUDA graphs, which is slower: {}", error.what());
    return nullptr;
  }
}

}  // namespace sojourn::policy
