#include "actor/weights_receiver.h"

#include <torch/types.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "common/rpc.h"
#include "common/sha256.h"
#include "policy/model.h"
#include "policy/model_files.h"

namespace sojourn::actor {
namespace {

constexpr absl::Duration kManifestWait =
    absl::Seconds(10);  // at the learner, for a version not made yet
constexpr absl::Duration kCallMargin = absl::Seconds(10);
constexpr int64_t kSlowestBytesPerSecond = 1 << 20;

std::string Describe(const PolicyName& name) {
  return absl::StrCat("policy version ", name.version, " of arm ", name.arm);
}

int64_t Elements(const google::protobuf::RepeatedField<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

// A manifest comes from another process: nothing is allocated by its word before it agrees with the
// model's shape.
absl::Status CheckManifest(const v1::WeightsManifest& manifest, const policy::ModelConfig& config) {
  auto shapes = policy::WeightShapes(config);
  int64_t bytes = 0;
  for (const v1::TensorInfo& tensor : manifest.tensors()) {
    const auto shape = shapes.find(tensor.name());
    if (shape == shapes.end() || !std::equal(shape->second.begin(), shape->second.end(),
                                             tensor.shape().begin(), tensor.shape().end())) {
      return absl::InvalidArgumentError(
          absl::StrCat("the manifest's tensor ", tensor.name(),
                       " is not one of the model, has another shape, or comes twice"));
    }
    if (tensor.dtype() != "F32" && tensor.dtype() != "BF16") {
      return absl::InvalidArgumentError(absl::StrCat("the manifest's tensor ", tensor.name(),
                                                     " is of type ", tensor.dtype(),
                                                     "; expected F32 or BF16"));
    }
    bytes += Elements(tensor.shape()) * (tensor.dtype() == "F32" ? 4 : 2);
    shapes.erase(shape);  // once
  }
  if (bytes != static_cast<int64_t>(manifest.total_bytes()) || manifest.chunk_bytes() == 0 ||
      manifest.chunks() !=
          (manifest.total_bytes() + manifest.chunk_bytes() - 1) / manifest.chunk_bytes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the manifest is inconsistent: ", manifest.total_bytes(), " bytes in ", manifest.chunks(),
        " chunks of ", manifest.chunk_bytes(), "; its tensors have ", bytes, " bytes"));
  }
  return absl::OkStatus();
}

// LibTorch's exceptions end here.
absl::StatusOr<std::shared_ptr<const policy::Model>> MakeModel(const policy::ModelConfig& config,
                                                               const v1::WeightsManifest& manifest,
                                                               const std::string& bytes) {
  try {
    policy::Weights weights;
    size_t at = 0;
    for (const v1::TensorInfo& info : manifest.tensors()) {
      const std::vector<int64_t> shape(info.shape().begin(), info.shape().end());
      const bool is_float = info.dtype() == "F32";
      at::Tensor tensor = at::empty(shape, is_float ? at::kFloat : at::kBFloat16);
      std::memcpy(tensor.data_ptr(), bytes.data() + at, tensor.nbytes());
      at += tensor.nbytes();
      weights[info.name()] = std::move(tensor);
    }
    absl::StatusOr<policy::Model> model = policy::Model::Create(config, std::move(weights));
    if (!model.ok()) return model.status();
    return std::make_shared<const policy::Model>(*std::move(model));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("making the model failed: ", error.what()));
  }
}

}  // namespace

WeightsReceiver::WeightsReceiver(ActorMetrics& metrics, RandomKey jitter,
                                 std::function<void()> arrived)
    : metrics_(metrics),
      arrived_(std::move(arrived)),
      backoff_(jitter, {absl::Milliseconds(50), absl::Seconds(2), 2}),
      thread_([this] { Run(); }) {}

WeightsReceiver::~WeightsReceiver() {
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
    if (call_ != nullptr) call_->TryCancel();
    changed_.notify_all();
  }
  thread_.join();
}

void WeightsReceiver::SetJob(const std::string& job_id, const std::string& model_path) {
  std::lock_guard lock(mu_);
  if (job_id_ == job_id && model_path_ == model_path) return;
  job_id_ = job_id;
  model_path_ = model_path;
  wanted_.clear();
  models_.clear();
  if (call_ != nullptr) call_->TryCancel();
}

void WeightsReceiver::SetLearners(const std::vector<std::string>& addresses) {
  std::lock_guard lock(mu_);
  if (addresses_ == addresses) return;
  addresses_ = addresses;
  backoff_.Reset();
  changed_.notify_all();
}

void WeightsReceiver::Want(const std::vector<PolicyName>& names) {
  std::lock_guard lock(mu_);
  if (wanted_ == names) return;
  wanted_ = names;
  std::erase_if(models_, [&](const auto& entry) {
    return std::find(names.begin(), names.end(), entry.first) == names.end();
  });
  if (call_ != nullptr && !Wanted(job_id_, call_name_)) call_->TryCancel();
  changed_.notify_all();
}

bool WeightsReceiver::Wanted(const std::string& job_id, const PolicyName& name) const {
  return !stopping_ && job_id == job_id_ &&
         std::find(wanted_.begin(), wanted_.end(), name) != wanted_.end();
}

std::shared_ptr<const policy::Model> WeightsReceiver::Take(const PolicyName& name) const {
  std::lock_guard lock(mu_);
  const auto found = models_.find(name);
  return found == models_.end() ? nullptr : found->second;
}

std::pair<std::string, absl::Duration> WeightsReceiver::waiting_for() const {
  std::lock_guard lock(mu_);
  if (waiting_for_.empty()) return {"", absl::ZeroDuration()};
  return {waiting_for_, absl::Now() - waiting_since_};
}

absl::Duration WeightsReceiver::NotFoundFor(const PolicyName& name) const {
  std::lock_guard lock(mu_);
  return not_found_ == name ? std::max(absl::ZeroDuration(), absl::Now() - not_found_since_)
                            : absl::ZeroDuration();
}

bool WeightsReceiver::NextSource(Source* source) {
  for (uint32_t i = 0; i < addresses_.size(); ++i) {
    const uint32_t rank = (next_rank_ + i) % addresses_.size();
    if (addresses_[rank].empty()) continue;
    Source& known = sources_[rank];
    if (known.stub == nullptr || known.address != addresses_[rank]) {
      known = {rank, addresses_[rank], v1::WeightsService::NewStub(MakeChannel(addresses_[rank]))};
    }
    next_rank_ = rank;
    *source = known;
    return true;
  }
  return false;
}

void WeightsReceiver::Run() {
  std::unique_lock lock(mu_);
  while (!stopping_) {
    const auto next = std::find_if(wanted_.begin(), wanted_.end(),
                                   [&](const PolicyName& n) { return !models_.contains(n); });
    if (next == wanted_.end()) {
      waiting_for_.clear();
      changed_.wait_for(lock, std::chrono::seconds(1));
      continue;
    }
    const PolicyName name = *next;
    const std::string job_id = job_id_, model_path = model_path_;
    if (waiting_for_.empty()) waiting_since_ = absl::Now();
    Source source;
    if (!NextSource(&source)) {
      waiting_for_ = absl::StrCat(Describe(name), ": no learner has joined");
      changed_.wait_for(lock, std::chrono::seconds(1));
      continue;
    }
    const std::string what =
        absl::StrCat(Describe(name), " from learner rank ", source.rank, " (", source.address, ")");
    waiting_for_ = what;
    lock.unlock();
    const absl::Time start = absl::Now();
    auto model = Fetch(job_id, model_path, name, source);
    if (model.ok()) spdlog::debug("{} took {}", what, absl::FormatDuration(absl::Now() - start));
    lock.lock();
    if (!Wanted(job_id, name)) continue;
    if (!absl::IsNotFound(model.status())) {
      not_found_since_ = absl::InfiniteFuture();
    } else if (not_found_since_ == absl::InfiniteFuture() || not_found_ != name) {
      not_found_ = name;
      not_found_since_ = absl::Now();
    }
    if (model.ok()) {
      models_[name] = *std::move(model);
      waiting_for_.clear();
      backoff_.Reset();
      lock.unlock();
      arrived_();
      lock.lock();
    } else {
      waiting_for_ = absl::StrCat(what, ": ", model.status().ToString());
      if (!IsTransient(model.status()) && !absl::IsNotFound(model.status()))
        spdlog::warn("{}", waiting_for_);
      ++next_rank_;  // another rank may have it
      changed_.wait_for(lock, absl::ToChronoMilliseconds(backoff_.Next()));
    }
  }
}

absl::Status WeightsReceiver::Call(const PolicyName& name, absl::Duration timeout,
                                   const std::function<grpc::Status(grpc::ClientContext*)>& call) {
  grpc::ClientContext context;
  SetTimeout(context, timeout);
  {
    std::lock_guard lock(mu_);
    if (!Wanted(job_id_, name)) return absl::CancelledError("not wanted any more");
    call_ = &context;
    call_name_ = name;
  }
  const grpc::Status status = call(&context);
  std::lock_guard lock(mu_);
  call_ = nullptr;
  return FromGrpcStatus(status);
}

absl::StatusOr<v1::WeightsManifest> WeightsReceiver::GetManifest(const std::string& job_id,
                                                                 const PolicyName& name,
                                                                 const Source& source) {
  v1::WeightsRequest request;
  request.set_job_id(job_id);
  request.set_arm(name.arm);
  request.set_version(name.version);
  request.set_wait_ms(absl::ToInt64Milliseconds(kManifestWait));
  v1::WeightsManifest manifest;
  const absl::Time start = absl::Now();
  const absl::Status status =
      Call(name, kManifestWait + kCallMargin, [&](grpc::ClientContext* context) {
        return source.stub->GetManifest(context, request, &manifest);
      });
  metrics_.manifest_seconds.Observe(absl::ToDoubleSeconds(absl::Now() - start));
  if (!status.ok()) return status;
  if (manifest.version() != name.version) {
    return absl::InvalidArgumentError(
        absl::StrCat("the manifest is of version ", manifest.version()));
  }
  return manifest;
}

absl::StatusOr<std::string> WeightsReceiver::GetBytes(const std::string& job_id,
                                                      const PolicyName& name, const Source& source,
                                                      const v1::WeightsManifest& manifest) {
  v1::ChunkRequest request;
  request.set_job_id(job_id);
  request.set_arm(name.arm);
  request.set_version(name.version);
  std::string bytes;
  bytes.reserve(manifest.total_bytes());
  uint32_t next = 0;
  std::string fault;
  const auto read = [&](grpc::ClientContext* context) {
    request.set_first_chunk(next);  // a broken transfer goes on where it broke
    const auto reader = source.stub->GetChunks(context, request);
    for (v1::WeightsChunk chunk; reader->Read(&chunk); ++next) {
      const uint64_t size =
          std::min<uint64_t>(manifest.chunk_bytes(), manifest.total_bytes() - bytes.size());
      if (chunk.index() != next || chunk.data().size() != size) {
        fault = absl::StrCat("chunk ", chunk.index(), " of ", chunk.data().size(),
                             " bytes came where chunk ", next, " of ", size, " bytes was expected");
        context->TryCancel();
        break;
      }
      bytes += chunk.data();
      metrics_.weight_bytes.Increment(size);
    }
    return reader->Finish();
  };
  const absl::Duration timeout =
      kCallMargin + absl::Seconds(manifest.total_bytes() / kSlowestBytesPerSecond);
  const absl::Time start = absl::Now();
  for (int attempt = 0;; ++attempt) {
    const absl::Status status = Call(name, timeout, read);
    if (!fault.empty()) return absl::DataLossError(fault);
    if (status.ok() && bytes.size() == manifest.total_bytes()) break;
    if (attempt == 3 || !IsTransient(status)) {
      return status.ok()
                 ? absl::DataLossError(absl::StrCat("the chunks ended after ", bytes.size(), " of ",
                                                    manifest.total_bytes(), " bytes"))
                 : status;
    }
  }
  metrics_.chunks_seconds.Observe(absl::ToDoubleSeconds(absl::Now() - start));
  if (const std::string sum = Sha256Hex(bytes); sum != manifest.sha256()) {
    return absl::DataLossError(
        absl::StrCat("the weights' SHA-256 is ", sum, "; the manifest says ", manifest.sha256()));
  }
  return bytes;
}

absl::StatusOr<std::shared_ptr<const policy::Model>> WeightsReceiver::Fetch(
    const std::string& job_id, const std::string& model_path, const PolicyName& name,
    const Source& source) {
  const absl::StatusOr<policy::ModelConfig> config = policy::LoadModelConfig(model_path);
  if (!config.ok()) return config.status();
  const absl::StatusOr<v1::WeightsManifest> manifest = GetManifest(job_id, name, source);
  if (!manifest.ok()) return manifest.status();
  const absl::Status checked = CheckManifest(*manifest, *config);
  if (!checked.ok()) return checked;
  const absl::StatusOr<std::string> bytes = GetBytes(job_id, name, source, *manifest);
  if (!bytes.ok()) return bytes.status();
  return MakeModel(*config, *manifest, *bytes);
}

}  // namespace sojourn::actor
