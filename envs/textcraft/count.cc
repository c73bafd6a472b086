#include "envs/textcraft/count.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace sojourn::envs::textcraft {
namespace {

constexpr uint64_t kBase = 1'000'000'000'000'000'000;
constexpr size_t kBaseDigits = 18;

}  // namespace

Count::Count(uint64_t value) {
  for (; value > 0; value /= kBase) limbs_.push_back(value % kBase);
}

Count Count::FromDigits(std::string_view digits) {
  Count count;
  while (!digits.empty()) {
    const size_t start = digits.size() - std::min(digits.size(), kBaseDigits);
    uint64_t limb = 0;
    for (const char digit : digits.substr(start)) limb = limb * 10 + (digit - '0');
    count.limbs_.push_back(limb);
    digits = digits.substr(0, start);
  }
  count.Trim();
  return count;
}

void Count::Trim() {
  while (!limbs_.empty() && limbs_.back() == 0) limbs_.pop_back();
}

void Count::Add(const Count& other) {
  if (limbs_.size() < other.limbs_.size()) limbs_.resize(other.limbs_.size(), 0);
  uint64_t carry = 0;
  for (size_t i = 0; i < limbs_.size(); ++i) {
    limbs_[i] += carry + (i < other.limbs_.size() ? other.limbs_[i] : 0);
    carry = limbs_[i] >= kBase ? 1 : 0;
    if (carry) limbs_[i] -= kBase;
  }
  if (carry) limbs_.push_back(carry);
}

void Count::Subtract(const Count& other) {
  uint64_t borrow = 0;
  for (size_t i = 0; i < limbs_.size(); ++i) {
    const uint64_t taken = borrow + (i < other.limbs_.size() ? other.limbs_[i] : 0);
    borrow = limbs_[i] < taken ? 1 : 0;
    limbs_[i] += (borrow ? kBase : 0) - taken;
  }
  Trim();
}

bool Count::operator<(const Count& other) const {
  if (limbs_.size() != other.limbs_.size()) return limbs_.size() < other.limbs_.size();
  return std::lexicographical_compare(limbs_.rbegin(), limbs_.rend(), other.limbs_.rbegin(),
                                      other.limbs_.rend());
}

std::string Count::ToString() const {
  if (limbs_.empty()) return "0";
  std::string text = absl::StrCat(limbs_.back());
  for (size_t i = limbs_.size() - 1; i-- > 0;) absl::StrAppendFormat(&text, "%018d", limbs_[i]);
  return text;
}

uint64_t Count::Clamped(uint64_t highest) const {
  if (limbs_.empty()) return 0;
  return limbs_.size() > 1 ? highest : std::min(limbs_[0], highest);
}

}  // namespace sojourn::envs::textcraft
