// SPDX-License-Identifier: MIT
//
// How tools/bench measures: ours, its limit and its peers take turns, so that all of them see the
// same machine, and each row says how much of it went to what.
//
//   bench.Compare("small calls", {{.what = "remote->Inc()",
//                                  .ours = Each([&] { remote->Inc(); }),
//                                  .limit = "spin",
//                                  .peers = {"ZeroMQ"}}},
//                 {{"spin", SpinPingPong(pin)}, {"ZeroMQ", bench.Peer("zeromq", "call")}});
//
// Each row goes to stdout as a line of JSON, which bench.py makes a table of.
//
// Threads:  none.
// Errors:   a peer that is not there is left out of its rows.
#ifndef REMOTEOBJ_TOOLS_BENCH_BENCH_H_
#define REMOTEOBJ_TOOLS_BENCH_BENCH_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "remoteobj/testing/limits.h"

namespace bench {

using remoteobj_testing::Calls;
using remoteobj_testing::Each;
using remoteobj_testing::Pin;
using remoteobj_testing::Placement;
using remoteobj_testing::Times;

// A measurement is a whole run, and counts as its part for one of so many.
Calls EachOf(int number, std::function<void()> run);

struct Row {
  std::string what;
  Calls ours;  // None for a row that shows a limit alone.
  // Names of what ours is compared with.
  std::string limit = {};
  std::vector<std::string> peers = {};
};

// A row's place in a scaling, for example a payload of x bytes.
struct Point {
  std::string scaling;
  double x;
};

class PeerProcess;

class Bench {
 public:
  struct Options {
    // The time of each row, limit and peer.
    double seconds = 0.4;
    // The command that starts a peer, given its name; "" for none.
    std::string launcher;
  };

  explicit Bench(Options options);
  ~Bench();

  // The cores of the callers and of the process that they call: two if there are two.
  const Placement& two_cores() const { return two_cores_; }
  double seconds() const { return options_.seconds; }

  // An operation of a peer in a process of its own, which is started now. None if it is not there.
  Calls Peer(const std::string& name, const std::string& operation);
  // Ends the peers that have been started, so that they take nothing of what comes next.
  void EndPeers();

  // Calls everything in turns, and prints the rows.
  void Compare(const std::string& group, const std::vector<Row>& rows,
               const std::map<std::string, Calls>& others = {}, std::optional<Point> point = {});

 private:
  Options options_;
  Placement two_cores_;
  std::map<std::string, std::unique_ptr<PeerProcess>> peers_;
};

// Something that is measured together: `run` sets it up, compares, and takes it down.
struct Scenario {
  std::string name;
  std::function<void(Bench&)> run;
};

// The scenarios of a program, in the order in which they run.
std::vector<Scenario> Scenarios();

// Scenarios of the parts that the others are made of.
std::vector<Scenario> LimitScenarios();
std::vector<Scenario> CallScenarios();
std::vector<Scenario> ProcessScenarios();
std::vector<Scenario> ManagerScenarios();

}  // namespace bench

#endif  // REMOTEOBJ_TOOLS_BENCH_BENCH_H_
