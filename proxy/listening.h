// SPDX-License-Identifier: MIT
//
// A process listens for calls as long as it has a Listening: see Proxy::Listen.
//
//   auto listening = remote.ListenInBackground();
#ifndef REMOTEOBJ_PROXY_LISTENING_H_
#define REMOTEOBJ_PROXY_LISTENING_H_

#include <memory>

#include "remoteobj/proxy/internal/session.h"

namespace remoteobj {

// Listening for calls, until it is destroyed or closed. Calls that have arrived before that are
// evaluated or refused (ProxyOptions::fulfill_final); their callers never hang.
//
// Lifetime: as the proxy's object, which must outlive it.
class Listening {
 public:
  Listening(std::shared_ptr<proxy_internal::Session> session, bool in_background);
  ~Listening();
  Listening(Listening&&) noexcept;
  Listening& operator=(Listening&&) = delete;

  // Ends listening. Does nothing the second time. Within a call of the object, as in a method that
  // ends its own service, listening ends when the call has been answered; a background thread then
  // refuses the calls that have arrived, so the object may be destroyed.
  void Close();

 private:
  struct Background;

  std::shared_ptr<proxy_internal::Session> session_;
  std::shared_ptr<Background> background_;  // Also the thread's.
};

}  // namespace remoteobj

#endif  // REMOTEOBJ_PROXY_LISTENING_H_
