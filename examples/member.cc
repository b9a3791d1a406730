// SPDX-License-Identifier: MIT
//
// A class with its own proxy as a member, as the examples of Python's remoteobj begin.
//
//   tools/bazel run //examples:member
#include <iostream>

#include "remoteobj/remoteobj.h"

namespace {

// [example]
class Camera {
 public:
  remoteobj::Proxy<Camera> remote{*this};

  void Run() {  // in the process that has the camera
    auto listening = remote.Listen();
    while (!stopped) remote.Poll(absl::InfiniteDuration());
  }
  int Expose(int ms);

  int exposure = 0;
  bool stopped = false;
};
REMOTEOBJ_DESCRIBE(Camera, exposure, stopped)

// A method that uses remote-> is defined after the description.
int Camera::Expose(int ms) {
  remote->exposure = ms;
  return *remote->exposure;
}
// [/example]

}  // namespace

int main() {
  Camera camera;
  remoteobj::Process worker([&] { camera.Run(); });
  camera.remote.WaitUntilListening(worker);
  std::cout << "there: " << camera.Expose(20) << "\n";
  std::cout << "here: " << camera.exposure << "\n";
  camera.remote->stopped = true;
  worker.Join();
}
