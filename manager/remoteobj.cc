// SPDX-License-Identifier: MIT
//
// A manager from the command line, and a look into one.
//
//   remoteobj serve unix:/run/jobs                  until Ctrl-C, or a client ends it
//   remoteobj inspect tcp:10.0.0.7:7000 --key_file=key
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "remoteobj/manager/inspection.h"
#include "remoteobj/manager/manager.h"

ABSL_FLAG(std::string, key_file, "",
          "a file whose bytes are the key that both sides must have; without one there is no key, "
          "and the address must be a unix socket, to which only this user's processes can connect");
ABSL_FLAG(bool, plaintext, false,
          "connections by TCP are not encrypted; both sides must have the same");
ABSL_FLAG(bool, other_users, false,
          "serve: other users may connect to the unix socket; inspect: without a key, the manager "
          "at a unix socket may be that of another user than this one and root");

namespace {

constexpr char kUsage[] =
    "remoteobj serve ADDRESS     runs a manager there, of the built-in types\n"
    "remoteobj inspect ADDRESS   lists a manager's objects and clients\n"
    "\n"
    "ADDRESS is unix:PATH, unix-abstract:NAME or tcp:HOST:PORT (port 0: one is chosen).\n"
    "tcp: takes --key_file, a key of at least 16 bytes, and is encrypted with it.";

std::string Key() {
  const std::string path = absl::GetFlag(FLAGS_key_file);
  if (path.empty()) return "";
  std::ifstream in(path, std::ios::binary);
  std::string key{std::istreambuf_iterator<char>(in), {}};
  if (!in || key.empty()) throw std::runtime_error("no key in " + path);
  return key;
}

void Serve(const std::string& address) {
  // Blocked before threads are started, which inherit the mask.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  remoteobj::Manager manager(address, {.authkey = Key(),
                                       .on_serving =
                                           [](const std::string& where) {
                                             std::cout << "listening at " << where << std::endl;
                                           },
                                       .plaintext = absl::GetFlag(FLAGS_plaintext),
                                       .other_users = absl::GetFlag(FLAGS_other_users)});
  std::thread([&] {
    int signal = 0;
    sigwait(&ends, &signal);
    manager.Stop();
  }).detach();
  manager.ServeForever();
}

void Inspect(const std::string& address) {
  const auto manager =
      remoteobj::Manager::Connect(address, {.authkey = Key(),
                                            .plaintext = absl::GetFlag(FLAGS_plaintext),
                                            .other_users = absl::GetFlag(FLAGS_other_users)});
  const remoteobj::Inspection all = manager.Inspect();
  std::cout << all.objects.size() << " objects\n";
  if (!all.objects.empty()) {
    std::cout << absl::StreamFormat("%8s  %-16s %-32s %10s %8s  %s\n", "id", "name", "type",
                                    "references", "waiting", "");
  }
  for (const remoteobj::ObjectInfo& object : all.objects) {
    std::cout << absl::StreamFormat("%8d  %-16s %-32s %10d %8d\n", object.id, object.name,
                                    object.type, object.references, object.waiting);
  }
  std::cout << all.clients.size() << " clients, of which this is one\n";
  for (const remoteobj::ClientInfo& client : all.clients) {
    std::cout << absl::StreamFormat("%8d  %s\n", client.id, client.address);
  }
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(kUsage);
  const std::vector<char*> words = absl::ParseCommandLine(argc, argv);
  // `bazel run` changes the working directory.
  if (const char* from = std::getenv("BUILD_WORKING_DIRECTORY")) {
    [[maybe_unused]] const int changed = chdir(from);
  }
  const std::string_view command = words.size() == 3 ? words[1] : "";
  try {
    if (command == "serve") {
      Serve(words[2]);
    } else if (command == "inspect") {
      Inspect(words[2]);
    } else {
      std::cerr << kUsage << "\n";
      return 2;
    }
  } catch (const std::exception& e) {
    std::cerr << "remoteobj: " << e.what() << "\n";
    return 1;
  }
  return 0;
}
