#include "learner/arm_run.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/delimited_message_util.h>

#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/logging.h"
#include "learner/nccl_collective.h"
#include "policy/device.h"
#include "policy/model_files.h"

namespace sojourn::learner {
namespace {

double SecondsSince(absl::Time start) { return absl::ToDoubleSeconds(absl::Now() - start); }

std::string Encode(const std::vector<v1::RankUpdate>& updates) {
  std::ostringstream out;
  for (const v1::RankUpdate& update : updates) {
    google::protobuf::util::SerializeDelimitedToOstream(update, &out);
  }
  return out.str();
}

absl::StatusOr<std::vector<v1::RankUpdate>> Decode(const std::string& bytes) {
  google::protobuf::io::ArrayInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  std::vector<v1::RankUpdate> updates;
  while (true) {
    bool clean_end = false;
    v1::RankUpdate update;
    if (google::protobuf::util::ParseDelimitedFromZeroCopyStream(&update, &in, &clean_end)) {
      updates.push_back(std::move(update));
    } else if (clean_end) {
      return updates;
    } else {
      return absl::DataLossError(
          "another rank's reports do not parse; do all ranks run the same build?");
    }
  }
}

}  // namespace

ArmRun::ArmRun(const v1::TrainArm& train, const ArmRunOptions& options, Parts parts)
    : train_(train),
      options_(options),
      parts_(parts),
      arm_path_(
          absl::StrCat("arms/", train.arm() < static_cast<uint32_t>(train.config().arms_size())
                                    ? train.config().arms(train.arm()).name()
                                    : "")),
      arm_directory_(absl::StrCat(train.run_directory(), "/", arm_path_)) {}

ArmRun::~ArmRun() { parts_.trajectories.Close(); }  // then the journal, then the ingest

void ArmRun::Stop(const std::string& why, bool checkpoint) {
  std::shared_ptr<Collective> abort;
  {
    std::lock_guard lock(mu_);
    if (!stopped_) why_stopped_ = why;
    stopped_ = true;
    checkpoint_at_stop_ = checkpoint;
    if (waiting_) waiting_->Interrupt();
    if (!checkpoint) abort = collective_;  // else the update under way is finished first
  }
  if (abort) abort->Abort(why);
}

void ArmRun::Save(const v1::SaveCheckpoint& save) {
  std::lock_guard lock(mu_);
  save_ = save;
  if (waiting_) waiting_->Interrupt();
}

std::vector<v1::GroupName> ArmRun::Missing() const {
  constexpr size_t kMost = 64;
  std::vector<v1::GroupName> names;
  std::lock_guard lock(mu_);
  if (waiting_ == nullptr) return names;
  for (const uint64_t group : waiting_->MissingGroups(kMost)) {
    v1::GroupName& name = names.emplace_back();
    name.set_job_id(train_.job_id());
    name.set_arm(train_.arm());
    name.set_group(group);
  }
  return names;
}

bool ArmRun::stopped() const {
  std::lock_guard lock(mu_);
  return stopped_;
}

absl::Status ArmRun::Run() {
  try {  // LibTorch's and the standard library's end here
    return RunOrThrow();
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

absl::Status ArmRun::RunOrThrow() {
  if (train_.arm() >= static_cast<uint32_t>(config().arms_size()) ||
      ranks() <= static_cast<int>(options_.rank)) {
    return absl::InvalidArgumentError(absl::StrCat("asked to train arm ", train_.arm(), " of ",
                                                   config().arms_size(), " as rank ", options_.rank,
                                                   " of ", ranks()));
  }
  absl::Status status = Form();
  if (status.ok()) status = Load();
  while (status.ok() && !stopped()) {
    status = HandleSave();
    if (status.ok()) status = TrainOnce();
  }
  if (!stopped()) return status;
  if (status.ok()) status = CheckpointAtStop();
  if (!status.ok()) spdlog::warn("stopped without a checkpoint: {}", status.ToString());
  return absl::OkStatus();
}

absl::Status ArmRun::Form() {
  TcpCollectiveOptions options;
  options.rank = static_cast<int>(options_.rank);
  options.addresses.assign(train_.collective_addresses().begin(),
                           train_.collective_addresses().end());
  options.generation = train_.generation();
  const absl::Time deadline = absl::Now() + options_.connect_timeout;
  options.connect_timeout =
      std::min(options_.connect_timeout, absl::Seconds(5));  // so that Stop is seen
  parts_.metrics.SetActivity("forming the collective", "ranks",
                             absl::StrCat("the other ranks of generation ", train_.generation()));
  while (true) {
    absl::StatusOr<std::unique_ptr<Collective>> formed = ConnectTcp(parts_.listener, options);
    if (formed.ok() && options_.nccl_device) {
      formed = ConnectNccl(*std::move(formed), *options_.nccl_device, options_.connect_timeout);
    }
    if (formed.ok()) {
      std::lock_guard lock(mu_);
      collective_ = *std::move(formed);
      return absl::OkStatus();
    }
    parts_.metrics.SetActivity("forming the collective", "ranks",
                               std::string(formed.status().message()));
    if (stopped() || formed.status().code() != absl::StatusCode::kDeadlineExceeded ||
        absl::Now() >= deadline) {
      return absl::UnavailableError(formed.status().message());
    }
  }
}

absl::Status ArmRun::Load() {
  const absl::Time start = absl::Now();
  parts_.metrics.SetActivity("loading");
  if (absl::Status status = LoadCheckpoint(); !status.ok()) return status;
  if (absl::Status status = OpenJournal(); !status.ok()) return status;
  parts_.weights.StartArm(train_.job_id(), train_.arm(), config().rollout().max_staleness() + 1);
  if (absl::Status status =
          parts_.weights.LoadOlder(arm_directory_ + "/served", trainer_->version());
      !status.ok()) {
    return status;
  }
  if (absl::Status status = Publish(); !status.ok()) return status;
  parts_.trajectories.Open(ingest_.get(), journal_.get());
  {
    std::lock_guard lock(mu_);
    waiting_ = ingest_.get();
  }
  parts_.metrics.SetVersion(trainer_->version());
  parts_.metrics.AddSeconds("load", SecondsSince(start));

  v1::LearnerReady ready;
  ready.set_job_id(train_.job_id());
  ready.set_arm(train_.arm());
  ready.set_generation(train_.generation());
  ready.set_version(trainer_->version());
  for (uint64_t group : ingest_->WholeGroups()) ready.add_journaled_groups(group);
  spdlog::info(
      "({}, arm {}) generation {}: ready at version {} with {} whole groups in the journal",
      train_.job_id(), train_.arm(), train_.generation(), ready.version(),
      ready.journaled_groups_size());
  parts_.session.Ready(ready);
  return absl::OkStatus();
}

absl::Status ArmRun::LoadCheckpoint() {
  const absl::StatusOr<torch::ScalarType> type = PolicyType(config().policy());
  if (!type.ok()) return type.status();
  absl::StatusOr<policy::Model> starting = policy::LoadModel(config().policy().model(), *type);
  if (!starting.ok()) return starting.status();
  const absl::StatusOr<torch::Device> device = policy::OpenDevice(options_.device);
  if (!device.ok()) return device.status();
  absl::StatusOr<std::unique_ptr<Trainer>> trainer = Trainer::Create(
      config(), train_.planned_updates(), *starting, collective_.get(), options_.reduce_timeout, *device);
  if (!trainer.ok()) return trainer.status();
  trainer_ = *std::move(trainer);

  // Rank 0 says which one: it wrote it, and the others may look while the newest is being written.
  const std::string directory = arm_directory_ + "/checkpoints";
  absl::StatusOr<Checkpoint> found = absl::NotFoundError("");
  std::string version = "0";
  if (options_.rank == 0) {
    found = FindNewestCheckpoint(directory, train_.job_id(), train_.arm());
    if (found.ok()) version = absl::StrCat(found->state.version);
    if (!found.ok() && !absl::IsNotFound(found.status())) return found.status();
  }
  if (absl::Status status = collective_->Broadcast(0, version, options_.reduce_timeout);
      !status.ok())
    return status;
  uint64_t wanted = 0;
  if (!absl::SimpleAtoi(version, &wanted))
    return absl::UnavailableError("rank 0 sent a version that is none");
  if (options_.rank != 0 && wanted > 0) {
    found = FindNewestCheckpoint(directory, train_.job_id(), train_.arm(), wanted);
    if (!found.ok() || found->state.version != wanted) {
      return absl::UnavailableError(absl::StrCat(
          "rank 0 loads the checkpoint at version ", wanted, " from ", directory,
          ", but this rank finds ",
          found.ok() ? absl::StrCat("version ", found->state.version) : found.status().ToString(),
          "; the run's directory must be shared between ranks"));
    }
  }
  std::vector<v1::RankUpdate> unacknowledged;
  if (found.ok()) {
    if (absl::Status status = trainer_->Restore(found->state); !status.ok()) return status;
    last_checkpoint_ = found->state.version;
    for (v1::RankUpdate& update : found->unacknowledged) {
      if (update.rank() == options_.rank) unacknowledged.push_back(std::move(update));
    }
  }
  parts_.session.StartArm(train_.job_id(), train_.arm(), unacknowledged);
  return absl::OkStatus();
}

absl::Status ArmRun::OpenJournal() {
  IngestOptions options;
  options.job_id = train_.job_id();
  options.arm = train_.arm();
  options.rank = options_.rank;
  options.ranks = static_cast<uint32_t>(ranks());
  options.group_size = config().rollout().group_size();
  options.groups_per_update = config().rollout().groups_per_update();
  options.max_staleness = config().rollout().max_staleness();
  options.first_update = trainer_->version();
  // What the coordinator has counted, and what it counts yet of reports that were on their way: those of updates
  // since the checkpoint before the last, should the last be broken.
  options.behind_updates = 2 * options_.checkpoint_every;
  if (train_.version() > trainer_->version()) {
    options.behind_updates += train_.version() - trainer_->version();
  }
  options.validate = [config = config(),
                      model = trainer_->model_config()](const v1::Trajectory& trajectory) {
    return ValidateTrajectory(trajectory, config, model);
  };
  ingest_ = std::make_unique<Ingest>(options);

  JournalOptions journal_options;
  journal_options.directory = absl::StrCat(arm_directory_, "/journal/rank-", options_.rank);
  journal_options.sync = options_.sync_journal;
  parts_.metrics.ForgetJournal();
  absl::StatusOr<std::unique_ptr<Journal>> journal =
      Journal::Open(journal_options, [&](uint64_t group, std::string_view payload) {
        v1::Trajectory trajectory;
        if (group / options.groups_per_update >= options.first_update &&
            trajectory.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
          ingest_->Replay(std::move(trajectory));
        }
      });
  if (!journal.ok())
    return absl::UnavailableError(journal.status().ToString());  // a disk may come back
  journal_ = *std::move(journal);
  return absl::OkStatus();
}

absl::Status ArmRun::Publish() {
  const absl::Time start = absl::Now();
  std::vector<v1::TensorInfo> tensors;
  std::string bytes;
  const policy::Model policy = trainer_->Policy();
  for (const auto& [name, weight] : policy.weights()) {
    const torch::Tensor flat = weight.detach().to(torch::kCPU).contiguous();
    v1::TensorInfo& tensor = tensors.emplace_back();
    tensor.set_name(name);
    tensor.set_dtype(flat.scalar_type() == torch::kBFloat16 ? "BF16" : "F32");
    for (int64_t extent : flat.sizes()) tensor.add_shape(extent);
    bytes.append(static_cast<const char*>(flat.data_ptr()), flat.nbytes());
  }
  const absl::Status status =
      parts_.weights.Publish(trainer_->version(), std::move(tensors), std::move(bytes));
  parts_.metrics.AddSeconds("publish", SecondsSince(start));
  return status;
}

absl::Status ArmRun::TrainOnce() {
  const uint64_t update = trainer_->version();
  const absl::Time start = absl::Now();
  parts_.metrics.SetQueues(*ingest_, *journal_);
  const std::string missing = ingest_->Missing(update);
  parts_.metrics.SetActivity("waiting for trajectories", missing.empty() ? "" : "trajectories",
                             absl::StrCat("update ", update, ": ", missing));
  const absl::Status whole = ingest_->WaitUntilWhole(update, start + absl::Seconds(1));
  if (!whole.ok() && !absl::IsDeadlineExceeded(whole) && !absl::IsCancelled(whole)) return whole;
  // Together or not at all: a rank alone in an update would wait there for the others' groups, which may
  // take any time, and not look at what else there is to do.
  const absl::StatusOr<bool> together = AllAre(whole.ok());
  wait_seconds_ += SecondsSince(start);
  if (!together.ok()) return stopped() ? absl::OkStatus() : together.status();
  if (!*together) return absl::OkStatus();
  absl::StatusOr<std::vector<v1::Trajectory>> trajectories =
      ingest_->WaitForUpdate(update, absl::InfinitePast());
  if (absl::IsCancelled(trajectories.status())) {  // an interruption meanwhile is seen after the update
    trajectories = ingest_->WaitForUpdate(update, absl::InfinitePast());
  }
  if (!trajectories.ok()) return trajectories.status();

  parts_.metrics.SetActivity(absl::StrCat("training update ", update));
  absl::StatusOr<UpdateResult> result = trainer_->Update(*trajectories);
  if (!result.ok()) return result.status();
  trajectories->clear();
  if (absl::Status status = Publish(); !status.ok()) return status;

  v1::RankUpdate report;
  report.set_job_id(train_.job_id());
  report.set_arm(train_.arm());
  report.set_rank(options_.rank);
  report.set_update(update);
  for (v1::GroupConsumed& group : result->groups) *report.add_groups() = std::move(group);
  *report.mutable_metrics() = result->metrics;
  report.mutable_metrics()->set_wait_seconds(std::exchange(wait_seconds_, 0));
  parts_.metrics.SetUpdate(report.metrics());
  parts_.session.Report(report);
  return trainer_->version() % options_.checkpoint_every == 0 ? CheckpointTogether()
                                                              : absl::OkStatus();
}

absl::StatusOr<bool> ArmRun::AllAre(bool ready) {
  double count = ready ? 1 : 0;
  const absl::Status status =
      collective_->AllReduceSum(absl::MakeSpan(&count, 1), options_.save_timeout);
  if (!status.ok()) return status;
  return count == ranks();
}

// All ranks, at the same version. A report that is not acknowledged must survive with the
// checkpoint, because after it the update is never made again; so rank 0 stores every rank's.
absl::Status ArmRun::CheckpointTogether() {
  const absl::Time start = absl::Now();
  parts_.metrics.SetActivity("writing a checkpoint");
  std::vector<v1::RankUpdate> unacknowledged;
  for (int rank = 0; rank < ranks(); ++rank) {
    std::string bytes;
    if (rank == static_cast<int>(options_.rank)) bytes = Encode(parts_.session.Unacknowledged());
    if (absl::Status status = collective_->Broadcast(rank, bytes, options_.save_timeout);
        !status.ok())
      return status;
    absl::StatusOr<std::vector<v1::RankUpdate>> updates = Decode(bytes);
    if (!updates.ok()) return updates.status();
    unacknowledged.insert(unacknowledged.end(), updates->begin(), updates->end());
  }
  std::string fault;  // a full disk ends nothing: the last checkpoint is good
  if (options_.rank == 0) {
    const absl::Status written = WriteCheckpointHere(std::move(unacknowledged));
    if (!written.ok()) fault = written.ToString();
  }
  if (absl::Status status = collective_->Broadcast(0, fault, options_.save_timeout); !status.ok())
    return status;
  if (fault.empty()) {
    NoteCheckpoint();
  } else {
    spdlog::error("no checkpoint at version {}: {}", trainer_->version(), fault);
  }
  parts_.metrics.AddSeconds("checkpoint", SecondsSince(start));
  return absl::OkStatus();
}

absl::Status ArmRun::WriteCheckpointHere(std::vector<v1::RankUpdate> unacknowledged) {
  Checkpoint checkpoint;
  checkpoint.job_id = train_.job_id();
  checkpoint.arm = train_.arm();
  checkpoint.state = trainer_->Export();
  checkpoint.unacknowledged = std::move(unacknowledged);
  const std::string served = arm_directory_ + "/served";
  if (absl::Status status = parts_.weights.SaveOlder(served, trainer_->version()); !status.ok())
    return status;
  if (absl::Status status = WriteCheckpoint(arm_directory_ + "/checkpoints", checkpoint);
      !status.ok())
    return status;
  return parts_.weights.RemoveStale(served);
}

// The journal keeps what is needed to go on from the checkpoint before the last, should the last be
// damaged.
void ArmRun::NoteCheckpoint() {
  const uint64_t version = trainer_->version();
  if (last_checkpoint_ && *last_checkpoint_ < version) {
    journal_->Prune(*last_checkpoint_ * config().rollout().groups_per_update());
  }
  last_checkpoint_ = version;
}

absl::Status ArmRun::HandleSave() {
  std::optional<v1::SaveCheckpoint> save;
  {
    std::lock_guard lock(mu_);
    if (!save_ || save_->version() > trainer_->version()) return absl::OkStatus();
    save = std::exchange(save_, std::nullopt);
  }
  if (save->job_id() != train_.job_id() || save->arm() != train_.arm()) return absl::OkStatus();
  parts_.weights.Pin(save->version());
  if (options_.rank != 0) return absl::OkStatus();
  const absl::Time start = absl::Now();
  parts_.metrics.SetActivity("saving the model");
  absl::Status status = SaveModel(*save);
  parts_.metrics.AddSeconds("checkpoint", SecondsSince(start));
  return status;
}

absl::Status ArmRun::SaveModel(const v1::SaveCheckpoint& save) {
  if (save.label().empty() || save.label()[0] == '.' ||
      save.label().find('/') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("a checkpoint cannot be labelled \"",
                                                   save.label(), "\"; expected a plain file name"));
  }
  const std::string path = absl::StrCat(arm_path_, "/models/", save.label());
  const std::string directory = absl::StrCat(train_.run_directory(), "/", path);
  if (save.version() == trainer_->version()) {
    const std::string& start = config().policy().model();
    absl::Status saved = policy::SaveModel(directory, trainer_->Policy(), start);
    if (saved.ok() && trainer_->trainable().lora()) {
      saved = trainer_->trainable().SaveAdapter(directory + "/adapter", start);
    }
    if (!saved.ok()) return absl::UnavailableError(saved.ToString());
    if (last_checkpoint_ != trainer_->version()) {
      const absl::Status written = WriteCheckpointHere(parts_.session.Unacknowledged());
      if (!written.ok()) return absl::UnavailableError(written.ToString());
      NoteCheckpoint();
    }
  }
  // A later version: it was saved when it was made, and the answer was lost.
  absl::StatusOr<std::string> sha256 = policy::FileSha256(directory + "/model.safetensors");
  if (!sha256.ok()) {
    spdlog::error("asked to save version {} at version {}: {}", save.version(), trainer_->version(),
                  sha256.status().ToString());
    return absl::OkStatus();
  }
  v1::CheckpointSaved saved;
  saved.set_job_id(train_.job_id());
  saved.set_arm(train_.arm());
  saved.set_version(save.version());
  saved.set_label(save.label());
  saved.set_path(path);
  saved.set_weights_sha256(*sha256);
  spdlog::info("saved version {} as {}", save.version(), directory);
  parts_.session.Saved(saved);
  return absl::OkStatus();
}

absl::Status ArmRun::CheckpointAtStop() {
  {
    std::lock_guard lock(mu_);
    if (!checkpoint_at_stop_ || options_.rank != 0 || last_checkpoint_ == trainer_->version())
      return absl::OkStatus();
  }
  if (trainer_->version() == 0) return absl::OkStatus();  // the starting policy
  // Alone, rank 0 does not know the others' reports; but when its own are acknowledged, so are
  // theirs.
  if (ranks() > 1 && !parts_.session.WaitAcknowledged(absl::Seconds(2))) {
    return absl::UnavailableError(
        "the last reports are not acknowledged; the journals have what is needed");
  }
  return WriteCheckpointHere(parts_.session.Unacknowledged());
}

}  // namespace sojourn::learner
