#include "coordinator/assignment_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sojourn::coordinator {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

v1::Assignment Group(uint64_t group) {
  v1::Assignment assignment;
  assignment.mutable_name()->set_group(group);
  return assignment;
}

AssignmentQueue Filled(uint64_t groups) {
  AssignmentQueue queue;
  for (uint64_t i = groups; i > 0; --i) queue.Add(Group(i - 1));
  return queue;
}

TEST(AssignmentQueue, LeasesTheLowestGroupFirstAndEachOnce) {
  AssignmentQueue queue = Filled(3);
  EXPECT_EQ(queue.Lease("a")->name().group(), 0);
  EXPECT_EQ(queue.Lease("b")->name().group(), 1);
  EXPECT_EQ(queue.Lease("a")->name().group(), 2);
  EXPECT_FALSE(queue.Lease("a").has_value());
  EXPECT_EQ(queue.leased(), 3);
}

TEST(AssignmentQueue, AnEndedLeasePutsUndeliveredGroupsBackInTheirPlace) {
  AssignmentQueue queue = Filled(3);
  queue.Lease("a");
  queue.Lease("a");
  queue.Deliver(1);
  EXPECT_EQ(queue.Release("a"), 1);
  EXPECT_EQ(queue.Release("a"), 0);
  EXPECT_EQ(queue.Lease("b")->name().group(), 0);
  EXPECT_EQ(queue.Lease("b")->name().group(), 2);
}

TEST(AssignmentQueue, AHeldGroupIsAdoptedOnlyWhileNobodyElsePlaysIt) {
  AssignmentQueue queue = Filled(2);
  EXPECT_TRUE(queue.Adopt(1, "a"));
  EXPECT_FALSE(queue.Adopt(1, "b"));
  EXPECT_FALSE(queue.Adopt(7, "b"));
  EXPECT_THAT(queue.Outstanding(0, 2),
              ElementsAre(Pair("", ElementsAre(0)), Pair("a", ElementsAre(1))));
}

TEST(AssignmentQueue, ALostDeliveryIsQueuedAgainButARunningLeaseIsNot) {
  AssignmentQueue queue = Filled(2);
  queue.Lease("a");
  queue.Deliver(1);
  queue.Requeue(0);
  queue.Requeue(1);
  EXPECT_EQ(queue.queued(), 1);
  EXPECT_EQ(queue.Lease("b")->name().group(), 1);
}

TEST(AssignmentQueue, DuplicatesAndUnknownGroupsChangeNothing) {
  AssignmentQueue queue = Filled(1);
  queue.Deliver(0);
  queue.Add(Group(0));
  queue.Deliver(0);
  queue.Deliver(9);
  queue.Requeue(9);
  queue.Erase(9);
  EXPECT_TRUE(queue.Delivered(0));
  EXPECT_FALSE(queue.Lease("a").has_value());
}

}  // namespace
}  // namespace sojourn::coordinator
