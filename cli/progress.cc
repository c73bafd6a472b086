#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace sojourn::cli {

std::string FormatSeconds(double seconds) {
  const int64_t s = std::llround(std::max(0.0, seconds));
  if (s < 60) return absl::StrCat(s, "s");
  if (s < 3600) return absl::StrFormat("%dm%02ds", s / 60, s % 60);
  return absl::StrFormat("%dh%02dm", s / 3600, s % 3600 / 60);
}

std::string FormatCount(double value) {
  if (value < 1000) return absl::StrFormat("%.0f", value);
  if (value < 1e6) return absl::StrFormat("%.1fk", value / 1e3);
  return absl::StrFormat("%.1fM", value / 1e6);
}

bool IsTerminal(FILE* out) {
  const char* term = std::getenv("TERM");
  return isatty(fileno(out)) != 0 && std::getenv("NO_COLOR") == nullptr && term != nullptr &&
         std::string_view(term) != "dumb";
}

std::string ProgressLine(const v1::JobStatus& status, int bar_width) {
  const v1::Progress& p = status.progress();
  if (status.state() == v1::QUEUED) return "queued";
  std::string line;
  if (p.arms() > 0) absl::StrAppend(&line, p.arm(), " (arm ", p.arm_index() + 1, "/", p.arms(), ")");
  if (p.stages() > 0) absl::StrAppend(&line, "  stage ", std::min(p.stage() + 1, p.stages()), "/", p.stages());
  if (bar_width > 0) {
    const int full = static_cast<int>(std::lround(std::clamp(p.work_done(), 0.0, 1.0) * bar_width));
    absl::StrAppend(&line, "  [", std::string(full, '#'), std::string(bar_width - full, '.'), "]");
  }
  absl::StrAppend(&line, absl::StrFormat(" %3.0f%%", 100 * std::clamp(p.work_done(), 0.0, 1.0)));
  if (status.state() == v1::PAUSED) absl::StrAppend(&line, "  paused");
  if (p.planned_updates() > 0) absl::StrAppend(&line, "  update ", p.update(), "/", p.planned_updates());
  // A phase of waiting is named once, at the end.
  if (!p.phase().empty() && p.phase() != "training" && !absl::StartsWith(p.phase(), "waiting")) absl::StrAppend(&line, "  ", p.phase());
  for (const v1::EnvironmentSuccess& e : p.success()) {
    absl::StrAppend(&line, absl::StrFormat("  %s/%d %.0f%%", e.environment(), e.difficulty(), 100 * e.success()));
    if (e.failed_episodes() > 0) absl::StrAppend(&line, " (", e.failed_episodes(), " of ", e.episodes(), " episodes failed)");
  }
  if (p.episodes_per_second() > 0) {
    absl::StrAppend(&line, absl::StrFormat("  %.0f episodes/s  %s tokens/s", p.episodes_per_second(),
                                           FormatCount(p.tokens_per_second())));
  }
  if (p.seconds_left() > 0) absl::StrAppend(&line, "  ", FormatSeconds(p.seconds_left()), " left");
  if (!p.waiting_for().empty()) absl::StrAppend(&line, "  waiting for ", p.waiting_for());
  return line;
}

ProgressPrinter::ProgressPrinter(FILE* out) : out_(out), terminal_(IsTerminal(out)) {
  winsize size{};
  if (terminal_ && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 20) width_ = size.ws_col;
}

void ProgressPrinter::Show(const v1::JobStatus& status) {
  const v1::Progress& p = status.progress();
  const std::string phase = absl::StrCat(p.arm_index(), "/", p.stage(), "/", p.phase(), "/", status.state());
  if (terminal_) {
    std::string line = ProgressLine(status, 20);
    if (line.size() >= static_cast<size_t>(width_)) line.resize(width_ - 1);
    std::fprintf(out_, "\r\033[K%s", line.c_str());
    drawn_ = true;
  } else if (phase != last_phase_ || absl::Now() - last_shown_ >= absl::Seconds(10)) {
    std::fprintf(out_, "%s\n", ProgressLine(status, 0).c_str());
    last_shown_ = absl::Now();
  }
  last_phase_ = phase;
  std::fflush(out_);
}

void ProgressPrinter::Notice(const std::string& line) {
  std::fprintf(out_, "%s%s\n", drawn_ ? "\r\033[K" : "", line.c_str());
  drawn_ = false;
  std::fflush(out_);
}

void ProgressPrinter::Finish() {
  if (drawn_) std::fprintf(out_, "\n");
  drawn_ = false;
  std::fflush(out_);
}

}  // namespace sojourn::cli
