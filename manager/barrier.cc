// SPDX-License-Identifier: MIT
#include "remoteobj/manager/barrier.h"

namespace remoteobj {

BarrierArrow::Arrival BarrierArrow::Arrive() const { return arrive(true); }
BarrierArrow::Arrival BarrierArrow::Arrive(absl::Duration limit) const {
  return arrive(true, limit);
}
void BarrierArrow::Acted(std::uint64_t round) const { acted(round); }
void BarrierArrow::Failed(std::uint64_t round) const { static_cast<void>(failed.TryCall(round)); }

}  // namespace remoteobj
