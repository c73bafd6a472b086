#include "learner/journal.h"

#include <algorithm>
#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/logging.h"
#include "common/crc32c.h"

namespace sojourn::learner {
namespace {

constexpr size_t kHeaderBytes = 16;
constexpr char kSuffix[] = ".journal";
using Header = std::array<char, kHeaderBytes>;

template <typename T>
void Put(T value, char* to) {  // little-endian
  for (size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<char>(value >> (8 * i));
}

template <typename T>
T Get(const char* from) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(static_cast<uint8_t>(from[i])) << (8 * i);
  return value;
}

Header MakeHeader(uint64_t group, const absl::Cord& payload) {
  Header header;
  Put<uint32_t>(static_cast<uint32_t>(payload.size()), &header[0]);
  Put<uint64_t>(group, &header[8]);
  uint32_t crc = Crc32c(0, {&header[8], 8});
  for (absl::string_view chunk : payload.Chunks()) crc = Crc32c(crc, {chunk.data(), chunk.size()});
  Put<uint32_t>(crc, &header[4]);
  return header;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Journal>> Journal::Open(const JournalOptions& options,
                                                       const Visit& visit, JournalFiles& files) {
  std::unique_ptr<Journal> journal(new Journal(options, files));
  if (absl::Status status = journal->Recover(visit); !status.ok()) return status;
  journal->writer_ = std::thread([raw = journal.get()] { raw->RunWriter(); });
  journal->syncer_ = std::thread([raw = journal.get()] { raw->RunSyncer(); });
  return journal;
}

Journal::~Journal() {
  if (!writer_.joinable()) return;  // Open failed
  {
    std::lock_guard lock(mu_);
    closing_ = true;
  }
  changed_.notify_all();
  writer_.join();
  syncer_.join();
}

absl::Status Journal::Recover(const Visit& visit) {
  if (absl::Status status = files_.MakeDirectory(options_.directory); !status.ok()) return status;
  absl::StatusOr<std::vector<std::string>> names = files_.List(options_.directory);
  if (!names.ok()) return names.status();
  std::vector<uint64_t> numbers;
  for (const std::string& name : *names) {
    uint64_t number;
    absl::string_view stem = name;
    if (absl::ConsumeSuffix(&stem, kSuffix) && absl::SimpleAtoi(stem, &number))
      numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  for (uint64_t number : numbers) {
    const std::string path = absl::StrFormat("%s/%08d%s", options_.directory, number, kSuffix);
    if (absl::Status status = RecoverSegment(path, visit); !status.ok()) return status;
    next_number_ = number + 1;
  }
  stats_.segments = segments_.size();
  return files_.SyncDirectory(options_.directory);
}

absl::Status Journal::RecoverSegment(const std::string& path, const Visit& visit) {
  absl::StatusOr<std::string> content = files_.Read(path);
  if (!content.ok()) return content.status();
  Segment segment{path};
  size_t at = 0;
  while (content->size() - at >= kHeaderBytes) {
    const char* header = content->data() + at;
    const uint64_t length = Get<uint32_t>(header);
    if (content->size() - at - kHeaderBytes < length) break;
    if (Crc32c(0, {header + 8, 8 + length}) != Get<uint32_t>(header + 4)) break;
    const uint64_t group = Get<uint64_t>(header + 8);
    visit(group, {header + kHeaderBytes, length});
    segment.max_group = std::max(segment.max_group, group);
    at += kHeaderBytes + length;
  }
  segment.bytes = at;
  if (at < content->size()) {
    spdlog::warn(
        "{}: the record at byte {} is torn or corrupt; cutting off {} bytes, which are sent or "
        "played again where they are needed",
        path, at, content->size() - at);
  }
  if (at == 0) return files_.Remove(path);
  // An earlier life may have written records that it did not live to sync; from now on they count as
  // acknowledged.
  if (absl::Status status = files_.Settle(path, at); !status.ok()) return status;
  segments_.push_back(std::move(segment));
  return absl::OkStatus();
}

absl::Status Journal::Append(uint64_t group, absl::Cord payload, Done done) {
  const uint64_t bytes = kHeaderBytes + payload.size();
  {
    std::lock_guard lock(mu_);
    if (stats_.queued_bytes + bytes > options_.max_queued_bytes) {
      return absl::ResourceExhaustedError(absl::StrFormat(
          "%s: the journal's queue holds %d bytes already, of at most %d: the disk is slower "
          "than what arrives",
          options_.directory, stats_.queued_bytes, options_.max_queued_bytes));
    }
    queue_.push_back({group, std::move(payload), std::move(done)});
    stats_.queued_bytes += bytes;
    ++stats_.queued_records;
  }
  changed_.notify_all();
  return absl::OkStatus();
}

void Journal::RunWriter() {
  std::unique_lock lock(mu_);
  while (true) {
    changed_.wait(lock, [&] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) break;  // closing, and all is written
    Batch batch;
    batch.records.swap(queue_);
    lock.unlock();
    const absl::Time start = absl::Now();
    batch.status = Write(batch);
    lock.lock();
    stats_.write_seconds += absl::ToDoubleSeconds(absl::Now() - start);
    if (!batch.status.ok()) new_segment_ = true;  // nothing may follow a torn record
    written_.push_back(std::move(batch));
    changed_.notify_all();
  }
  writer_ended_ = true;
  changed_.notify_all();
}

absl::Status Journal::Write(Batch& batch) {
  std::vector<Header> headers;
  headers.reserve(batch.records.size());
  std::vector<std::string_view> parts;
  uint64_t max_group = 0;
  for (const Record& record : batch.records) {
    headers.push_back(MakeHeader(record.group, record.payload));
    parts.emplace_back(headers.back().data(), kHeaderBytes);
    for (absl::string_view chunk : record.payload.Chunks()) {
      parts.emplace_back(chunk.data(), chunk.size());
    }
    batch.bytes += kHeaderBytes + record.payload.size();
    max_group = std::max(max_group, record.group);
  }
  bool new_segment;
  {
    std::lock_guard lock(mu_);
    new_segment = new_segment_ || segments_.back().bytes >= options_.segment_bytes;
    if (!new_segment) {  // counted before it is written: Prune must not miss it
      segments_.back().bytes += batch.bytes;
      segments_.back().max_group = std::max(segments_.back().max_group, max_group);
    }
  }
  if (new_segment) {
    if (absl::Status status = StartSegment(batch.bytes, max_group); !status.ok()) return status;
  }
  batch.file = active_;
  return active_->Append(parts);
}

void Journal::RunSyncer() {
  std::unique_lock lock(mu_);
  while (true) {
    changed_.wait(lock, [&] { return writer_ended_ || !written_.empty(); });
    if (written_.empty()) return;
    std::deque<Batch> batches;
    batches.swap(written_);
    lock.unlock();
    Settle(batches);
    batches.clear();
    lock.lock();
    // What neither the writer nor a batch still to be settled holds is asked about no more.
    for (auto file = broken_.begin(); file != broken_.end();) {
      file = file->use_count() == 1 ? broken_.erase(file) : std::next(file);
    }
  }
}

// Syncs each file once, then calls back in order.
void Journal::Settle(std::deque<Batch>& batches) {
  const absl::Time start = absl::Now();
  uint64_t syncs = 0;
  std::shared_ptr<AppendFile> synced;
  absl::Status status;
  for (auto batch = batches.rbegin(); batch != batches.rend();
       ++batch) {  // a file's last write first
    if (!batch->status.ok() || !options_.sync) continue;
    if (broken_.contains(batch->file)) {
      status = absl::DataLossError("a sync of this segment failed");
    } else if (batch->file != synced) {
      status = batch->file->Sync();
      synced = batch->file;
      ++syncs;
      // It is not tried again: the kernel may have dropped the pages, which then count as clean.
      if (!status.ok()) broken_.insert(batch->file);
    }
    batch->status = status;
  }
  {
    std::lock_guard lock(mu_);
    stats_.sync_seconds += absl::ToDoubleSeconds(absl::Now() - start);
    stats_.syncs += syncs;
    for (const Batch& batch : batches) {
      if (broken_.contains(batch.file)) new_segment_ = true;
      for (const Record& record : batch.records) {
        const uint64_t bytes = kHeaderBytes + record.payload.size();
        stats_.queued_bytes -= bytes;
        stats_.bytes += batch.status.ok() ? bytes : 0;
      }
      stats_.queued_records -= batch.records.size();
      stats_.records += batch.status.ok() ? batch.records.size() : 0;
    }
  }
  for (Batch& batch : batches) {
    if (!batch.status.ok()) {
      spdlog::error("journal: {} records were not written: {}", batch.records.size(),
                    batch.status.ToString());
    }
    for (Record& record : batch.records) {
      record.payload.Clear();
      record.done(batch.status);
    }
  }
}

absl::Status Journal::StartSegment(uint64_t bytes, uint64_t max_group) {
  const std::string path =
      absl::StrFormat("%s/%08d%s", options_.directory, next_number_++, kSuffix);
  absl::StatusOr<std::unique_ptr<AppendFile>> file = files_.Create(path);
  if (!file.ok()) return file.status();
  if (options_.sync) {
    if (absl::Status status = files_.SyncDirectory(options_.directory); !status.ok()) return status;
  }
  active_ = *std::move(file);
  std::lock_guard lock(mu_);
  segments_.push_back({path, bytes, max_group});
  stats_.segments = segments_.size();
  new_segment_ = false;
  return absl::OkStatus();
}

void Journal::Prune(uint64_t group) {
  std::vector<std::string> paths;
  {
    std::lock_guard lock(mu_);
    // The writer may be in the last segment: it is closed now, and goes at a later Prune.
    const size_t closed =
        new_segment_ || segments_.empty() ? segments_.size() : segments_.size() - 1;
    std::vector<Segment> kept;
    for (size_t i = 0; i < segments_.size(); ++i) {
      if (i < closed && segments_[i].max_group < group) {
        paths.push_back(segments_[i].path);
      } else {
        kept.push_back(segments_[i]);
      }
    }
    segments_ = std::move(kept);
    stats_.segments = segments_.size();
    new_segment_ = true;
  }
  for (const std::string& path : paths) {
    if (absl::Status status = files_.Remove(path); !status.ok())
      spdlog::warn("{}", status.ToString());
  }
}

Journal::Stats Journal::stats() const {
  std::lock_guard lock(mu_);
  return stats_;
}

}  // namespace sojourn::learner
