// SPDX-License-Identifier: MIT
//
// Errors in another process: exceptions of the object come back as their own type; a crash is an
// event, after which another process takes over.
//
//   tools/bazel run //examples:errors
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "remoteobj/remoteobj.h"

namespace app {

// [describe]
// [register]
struct CameraLost : std::runtime_error {
  using runtime_error::runtime_error;
};
REMOTEOBJ_REGISTER_ERROR(CameraLost)  // comes back as its own type
// [/register]

class Camera {
 public:
  std::string Frame(std::size_t i) { return frames.at(i); }
  void Open(const std::string& device) { throw CameraLost("there is no " + device); }
  void Crash() { std::_Exit(3); }

  std::vector<std::string> frames{"a cat", "a mouse"};
  bool stop = false;
};
REMOTEOBJ_DESCRIBE(Camera, Frame, Open, Crash, frames, stop)
// [/describe]

}  // namespace app

namespace {

using std::cout;

void Serve(app::Camera& camera, const remoteobj::Proxy<app::Camera>& remote) {
  auto listening = remote.Listen();
  while (!camera.stop) remote.Poll(absl::InfiniteDuration());
}

}  // namespace

int main() {
  app::Camera camera;
  remoteobj::Proxy<app::Camera> remote(camera);
  const auto serve = [&] { Serve(camera, remote); };
  remoteobj::Process worker({.name = "camera"}, serve);
  remote.WaitUntilListening(worker);

  // [catch]
  try {
    cout << remote->Frame(0) << "\n";  // a cat
    cout << remote->Frame(7) << "\n";  // throws there
  } catch (const std::out_of_range& e) {
    const remoteobj::RemoteError* error = remoteobj::RemoteErrorOf(e);
    cout << error->type() << " in process " << error->pid() << ", thread " << error->thread()
         << "\n";
  }
  // [/catch]
  try {
    remote->Open("/dev/video0");
  } catch (const app::CameraLost& e) {
    cout << "CameraLost: " << e.what() << "\n";
  }

  // [died]
  try {
    remote->Crash();
  } catch (const remoteobj::ListenerDied& e) {
    cout << e.what() << "\n";
  }
  try {
    worker.Join();
  } catch (const remoteobj::ProcessDied& e) {
    cout << e.what() << "\n";
  }
  cout << remote->Frame.TryCall(0).status() << "\n";

  worker = remoteobj::Process({.name = "camera"}, serve);  // another one, on the same proxy
  remote.WaitUntilListening(worker);
  cout << remote->Frame(1) << "\n";
  // [/died]
  remote->stop = true;
  worker.Join();
}
