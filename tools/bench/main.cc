// SPDX-License-Identifier: MIT
//
// Runs scenarios, and prints each row as a line of JSON: for bench.py, which a user runs.
//
//   measure [--only=REGEX] [--seconds=S] [--launcher=COMMAND] [--list]
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <regex>
#include <string>
#include <string_view>

#include "remoteobj/process/spawn.h"
#include "remoteobj/tools/bench/bench.h"

int main(int argc, char** argv) {
  remoteobj::Init(&argc, &argv);
  bench::Bench::Options options;
  std::string only;
  bool list = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto value = [&](std::string_view name) {
      return std::string(argument.substr(name.size()));
    };
    if (argument.starts_with("--only=")) {
      only = value("--only=");
    } else if (argument.starts_with("--seconds=")) {
      options.seconds = std::atof(value("--seconds=").c_str());
    } else if (argument.starts_with("--launcher=")) {
      options.launcher = value("--launcher=");
    } else if (argument == "--list") {
      list = true;
    } else {
      std::cerr << "measure: what is " << argument << "?\n";
      return 2;
    }
  }
  int failures = 0;
  bench::Bench bench(options);
  const std::regex wanted(only);
  for (const bench::Scenario& scenario : bench::Scenarios()) {
    if (!std::regex_search(scenario.name, wanted)) continue;
    std::cerr << scenario.name << "\n";
    if (list) continue;
    try {
      scenario.run(bench);
    } catch (const std::exception& e) {
      std::cerr << scenario.name << " failed: " << e.what() << "\n";
      ++failures;
    }
    bench.EndPeers();
    bench::Pin(-1);
  }
  return failures == 0 ? 0 : 1;
}
