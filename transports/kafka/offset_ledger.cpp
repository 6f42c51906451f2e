#include "transports/kafka/offset_ledger.hpp"

#include <algorithm>

namespace ferry::kafka {

bool OffsetLedger::settle(std::int64_t offset) {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), offset,
                                      [](const Entry& entry, std::int64_t wanted) { return entry.offset < wanted; });
  if (found == entries_.end() || found->offset != offset || found->settled) return false;
  found->settled = true;
  ++settled_;
  bool more = false;
  while (!entries_.empty() && entries_.front().settled) {
    committable_ = entries_.front().offset + 1;
    entries_.pop_front();
    --settled_;
    more = true;
  }
  return more;
}

}  // namespace ferry::kafka
