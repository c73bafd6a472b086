// Replays recordings of the original environments against ours, whatever they are of.
#ifndef SOJOURN_CLI_REPLAY_H_
#define SOJOURN_CLI_REPLAY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sojourn::cli {

struct FileReplay {
  std::string path;
  // How many episodes there were of each format. A line is an episode, but for a conversation with
  // an HTTP server, whose lines depend on each other: it is one as a whole.
  std::map<std::string, int64_t> episodes;
  struct Difference {
    int64_t line = 0;  // from 1; 0: the file as a whole
    std::string text;
  };
  std::vector<Difference> differences;  // by line; a broken file or line is one, too
};

// Told how many of how many lines are done, now and then, from the calling thread.
using ReplayProgress = std::function<void(int64_t done, int64_t total)>;

// Formats are recognized by what the lines hold, not by the files' names; paths ending in .xz are
// unpacked. The result is in the order of the paths, whatever the number of threads.
std::vector<FileReplay> ReplayFiles(const std::vector<std::string>& paths, int threads,
                                    const ReplayProgress& progress);

}  // namespace sojourn::cli

#endif  // SOJOURN_CLI_REPLAY_H_
