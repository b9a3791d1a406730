// SPDX-License-Identifier: MIT
#include "remoteobj/proxy/listening.h"

#include <pthread.h>

#include <atomic>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "remoteobj/process/crash_stack.h"
#include "remoteobj/transport/deadline.h"
#include "remoteobj/transport/internal/identity.h"
#include "remoteobj/transport/internal/thread_end.h"

namespace remoteobj {

struct Listening::Background {
  enum Stop { kNo, kAndFulfill, kAndRefuse };
  std::atomic<Stop> stop{kNo};
  const transport_internal::Identity process = transport_internal::Self();
  std::thread thread;
};

Listening::Listening(std::shared_ptr<proxy_internal::Session> session, bool in_background)
    : session_(std::move(session)) {
  session_->Open();
  if (!in_background) return;
  background_ = std::make_shared<Background>();
  try {
    // The thread may outlive this: see Close().
    background_->thread = std::thread([session = session_, background = background_] {
      pthread_setname_np(pthread_self(), "remoteobj");
      const CrashStack stack;
      try {
        while (background->stop.load(std::memory_order_acquire) == Background::kNo) {
          session->Serve(Deadline::Never());
        }
      } catch (...) {
        if (transport_internal::ThreadEnds()) session->CloseRefusing();
        throw;
      }
      if (background->stop.load(std::memory_order_relaxed) == Background::kAndRefuse) {
        session->CloseRefusing();
      } else {
        session->Close();
      }
    });
  } catch (const std::system_error& e) {
    session_->Close();
    throw std::system_error(
        e.code(), absl::StrCat("can't start a thread that listens as ", session_->type().name()));
  }
}

Listening::Listening(Listening&&) noexcept = default;

Listening::~Listening() { Close(); }

void Listening::Close() {
  const std::shared_ptr<proxy_internal::Session> session = std::exchange(session_, nullptr);
  if (session == nullptr) return;
  if (background_ == nullptr) return session->Close();
  if (background_->process != transport_internal::Self()) {
    // A copy in a forked child: the thread is the parent's.
    background_->thread.detach();
    return;
  }
  // Within a call of the object this is the thread itself, or one that the thread waits for.
  const bool inside = session->Evaluating();
  background_->stop.store(inside ? Background::kAndRefuse : Background::kAndFulfill,
                          std::memory_order_release);
  session->Wake();
  inside ? background_->thread.detach() : background_->thread.join();
}

}  // namespace remoteobj
