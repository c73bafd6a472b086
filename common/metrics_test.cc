#include "common/metrics.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace sojourn {
namespace {

using ::testing::HasSubstr;

std::string Get(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    return "no connection";
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: x\r\n\r\n");
  EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) answer.append(buffer, n);
  close(fd);
  return answer;
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  Metrics metrics;
  metrics.Counter("sojourn_episodes_total", "Episodes", {{"environment", "babyai"}}).Increment(2);
  metrics.Counter("sojourn_episodes_total", "Episodes", {{"environment", "babyai"}}).Increment();
  metrics.Counter("sojourn_episodes_total", "Episodes", {{"environment", "textcraft"}}).Increment();
  metrics.Gauge("sojourn_queue", "Queue").Set(7);
  metrics.Histogram("sojourn_wait_seconds", "Wait", SecondsBuckets()).Observe(0.02);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("sojourn_episodes_total{environment=\"babyai\"} 3"));
  EXPECT_THAT(text, HasSubstr("sojourn_episodes_total{environment=\"textcraft\"} 1"));
  EXPECT_THAT(text, HasSubstr("sojourn_queue 7"));
  EXPECT_THAT(text, HasSubstr("sojourn_wait_seconds_bucket{le=\"0.03\"} 1"));
}

TEST(Metrics, ServesItselfOnAFreePort) {
  Metrics metrics;
  metrics.Gauge("sojourn_answer", "Answer").Set(42);
  const absl::StatusOr<int> port = metrics.Serve("127.0.0.1:0");
  ASSERT_TRUE(port.ok()) << port.status();
  ASSERT_GT(*port, 0);
  const std::string page = Get(*port, "/metrics");
  EXPECT_THAT(page, HasSubstr("sojourn_answer 42"));
  EXPECT_THAT(page, HasSubstr("process_cpu_seconds_total"));
  EXPECT_THAT(page, HasSubstr("process_resident_memory_bytes"));
  Metrics second;
  EXPECT_EQ(second.Serve(absl::StrCat("127.0.0.1:", *port)).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(Metrics, AnAddressThatCannotBeIsAnError) {
  Metrics metrics;
  EXPECT_EQ(metrics.Serve("nonsense").status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace sojourn
