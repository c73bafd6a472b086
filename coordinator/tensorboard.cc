#include "coordinator/tensorboard.h"

#include <google/protobuf/descriptor.h>

#include <bit>
#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "common/crc32c.h"

namespace sojourn::coordinator {
namespace {

void PutFixed(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

void PutVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void PutBytes(std::string& out, int field, std::string_view bytes) {
  PutVarint(out, static_cast<uint64_t>(field) << 3 | 2);
  PutVarint(out, bytes.size());
  out.append(bytes);
}

std::string Record(const std::string& event) {
  const auto masked = [](std::string_view data) {
    const uint32_t crc = Crc32c(0, data);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
  };
  std::string length, out;
  PutFixed(length, event.size(), 8);
  out = length;
  PutFixed(out, masked(length), 4);
  out += event;
  PutFixed(out, masked(event), 4);
  return out;
}

// Event: wall_time = 1 (double), step = 2, file_version = 3, summary = 5.
std::string Event(double wall_time) {
  std::string out;
  out.push_back(1 << 3 | 1);
  PutFixed(out, std::bit_cast<uint64_t>(wall_time), 8);
  return out;
}

// Summary.Value: tag = 1, simple_value = 2 (float); Summary: value = 1.
void PutScalar(std::string& summary, const std::string& tag, double value) {
  std::string entry;
  PutBytes(entry, 1, tag);
  entry.push_back(2 << 3 | 5);
  PutFixed(entry, std::bit_cast<uint32_t>(static_cast<float>(value)), 4);
  PutBytes(summary, 1, entry);
}

}  // namespace

std::string TensorboardHeader() {
  std::string event = Event(0);
  PutBytes(event, 3, "brain.Event:2");
  return Record(event);
}

std::string TensorboardRecord(const v1::UpdateRecord& record) {
  std::string summary;
  const v1::UpdateMetrics& metrics = record.metrics();
  const auto* type = metrics.GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    const double value = field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_DOUBLE
                             ? metrics.GetReflection()->GetDouble(metrics, field)
                             : static_cast<double>(metrics.GetReflection()->GetUInt64(metrics, field));
    PutScalar(summary, absl::StrCat("update/", field->name()), value);
  }
  for (const v1::EnvironmentSuccess& s : record.success()) {
    PutScalar(summary, absl::StrCat("success/", s.environment(), "/", s.difficulty()), s.success());
  }
  std::string event = Event(record.seconds());
  event.push_back(2 << 3);
  PutVarint(event, metrics.version());
  PutBytes(event, 5, summary);
  return Record(event);
}

std::string TensorboardPath(const std::string& run_directory, const std::string& arm) {
  return absl::StrCat(run_directory, "/tensorboard/", arm, "/events.out.tfevents.0.sojourn");
}

}  // namespace sojourn::coordinator
