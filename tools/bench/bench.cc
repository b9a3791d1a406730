// SPDX-License-Identifier: MIT
#include "remoteobj/tools/bench/bench.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The shares of calls that are faster than what report.py is told.
constexpr std::array kQuantiles = {0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999};

std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

std::string Json(const std::string& name, Times times) {
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (const double time : times) sum += time;
  const auto at = [&](std::string* out, double q) {
    absl::StrAppendFormat(
        out, "%.4g", times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1))]);
  };
  return absl::StrCat("{\"name\": ", Quoted(name), ", \"calls\": ", times.size(), ", \"mean\": ",
                      absl::StrFormat("%.4g", sum / static_cast<double>(times.size())),
                      ", \"quantiles\": [", absl::StrJoin(kQuantiles, ", ", at), "]}");
}

}  // namespace

// A program that reads "OPERATION COUNT" and answers with that many lines: what each call took. It
// is stopped but in its turns: some listen by looking all the time.
class PeerProcess {
 public:
  PeerProcess(const std::string& launcher, const std::string& name, Placement placement) {
    int there[2];
    int back[2];
    if (pipe(there) != 0 || pipe(back) != 0) throw std::runtime_error("no pipe for a peer");
    const std::string command = absl::StrCat("exec ", launcher, " \"", name, "\" ",
                                             placement.client, " ", placement.server);
    pid_ = fork();
    if (pid_ == 0) {
      setpgid(0, 0);
      Pin(-1);
      dup2(there[0], 0);
      dup2(back[1], 1);
      for (const int fd : {there[0], there[1], back[0], back[1]}) close(fd);
      execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      _exit(127);
    }
    close(there[0]);
    close(back[1]);
    to_ = fdopen(there[1], "w");
    from_ = fdopen(back[0], "r");
    ready_ = ReadLine() == "ready";
    if (ready_) kill(-pid_, SIGSTOP);
  }
  ~PeerProcess() {
    fclose(to_);
    fclose(from_);
    kill(-pid_, SIGKILL);
    int status;
    waitpid(pid_, &status, 0);
  }
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  bool ready() const { return ready_; }

  void Call(const std::string& operation, int count, Times& times) {
    if (count == 0) return;
    kill(-pid_, SIGCONT);
    std::fprintf(to_, "%s %d\n", operation.c_str(), count);
    std::fflush(to_);
    for (int i = 0; i < count; ++i) {
      const std::string line = ReadLine();
      if (line.empty()) throw std::runtime_error("a peer has failed at " + operation);
      times.push_back(std::strtod(line.c_str(), nullptr));
    }
    kill(-pid_, SIGSTOP);
  }

 private:
  std::string ReadLine() {
    char line[100];
    if (std::fgets(line, sizeof line, from_) == nullptr) return "";
    std::string out = line;
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
  }

  pid_t pid_;
  std::FILE* to_;
  std::FILE* from_;
  bool ready_;
};

Calls EachOf(int number, std::function<void()> run) {
  return [number, run = std::move(run)](int count, Times& times) {
    Times runs;
    Each(run)(count, runs);
    for (const double time : runs) times.push_back(time / number);
  };
}

Bench::Bench(Options options) : options_(std::move(options)) {
  const std::vector<int> processors = remoteobj_testing::Processors();
  if (!processors.empty()) two_cores_ = {processors.front(), processors[processors.size() > 1]};
  signal(SIGPIPE, SIG_IGN);  // A peer may fail.
}

Bench::~Bench() = default;

Calls Bench::Peer(const std::string& name, const std::string& operation) {
  if (options_.launcher.empty()) return nullptr;
  std::unique_ptr<PeerProcess>& peer = peers_[name];
  if (peer == nullptr) {
    peer = std::make_unique<PeerProcess>(options_.launcher, name, two_cores_);
  }
  if (!peer->ready()) return nullptr;
  return [process = peer.get(), operation](int count, Times& times) {
    process->Call(operation, count, times);
  };
}

void Bench::EndPeers() { peers_.clear(); }

void Bench::Compare(const std::string& group, const std::vector<Row>& rows,
                    const std::map<std::string, Calls>& others, std::optional<Point> point) {
  struct Contender {
    Calls calls;
    Times times = {};
    double call_seconds = 0;  // By the clock: what is around a call is a part of it.
    double spent = 0;
  };
  std::vector<Contender> ours;
  std::map<std::string, Contender> theirs;
  std::vector<Contender*> all;
  for (const auto& [name, calls] : others) {
    if (calls != nullptr) all.push_back(&theirs.emplace(name, Contender{calls}).first->second);
  }
  for (const Row& row : rows) ours.push_back({row.ours});
  for (Contender& contender : ours) {
    if (contender.calls != nullptr) all.push_back(&contender);
  }

  constexpr int kTurns = 20;
  for (int turn = -1; turn < kTurns; ++turn) {
    for (Contender* const each : all) {
      // The first turn warms up, and tells how many calls fit into the others.
      const double left = options_.seconds - each->spent;
      if (turn >= 3 && left <= 0) continue;
      const double fit = options_.seconds / kTurns / std::max(each->call_seconds, 1e-8);
      const int count = turn < 0 ? 1 : static_cast<int>(std::clamp(fit, 1.0, 20'000.0));
      if (turn >= 0) {
        Times warm;  // After the others' turns the caches are theirs.
        each->calls(count / 10, warm);
      }
      Times times;
      const Clock::time_point begin = Clock::now();
      each->calls(count, times);
      const double seconds = SecondsSince(begin);
      // Less and less of it is what a turn costs at its begin, a fork.
      each->call_seconds = turn < 0 ? seconds : std::min(seconds / count, each->call_seconds);
      if (turn < 0) continue;
      each->spent += seconds;
      each->times.insert(each->times.end(), times.begin(), times.end());
    }
  }

  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    std::string line =
        absl::StrCat("{\"group\": ", Quoted(group), ", \"what\": ", Quoted(row.what));
    if (point.has_value()) {
      absl::StrAppend(&line, ", \"scaling\": ", Quoted(point->scaling), ", \"x\": ", point->x);
    }
    if (row.ours != nullptr) absl::StrAppend(&line, ", \"ours\": ", Json("ours", ours[i].times));
    if (theirs.contains(row.limit)) {
      absl::StrAppend(&line, ", \"limit\": ", Json(row.limit, theirs[row.limit].times));
    }
    std::vector<std::string> peers;
    for (const std::string& peer : row.peers) {
      if (theirs.contains(peer)) peers.push_back(Json(peer, theirs[peer].times));
    }
    absl::StrAppend(&line, ", \"peers\": [", absl::StrJoin(peers, ", "), "]}");
    std::printf("%s\n", line.c_str());
  }
  std::fflush(stdout);
}

}  // namespace bench
