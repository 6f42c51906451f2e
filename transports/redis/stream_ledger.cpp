#include "transports/redis/stream_ledger.hpp"

#include <algorithm>
#include <utility>

namespace ferry::redis {

const StreamLedger::Entry* StreamLedger::find(const EntryPlace& place) const {
  const auto found = entries_.find(place);
  return found == entries_.end() ? nullptr : &found->second;
}

bool StreamLedger::take(const EntryPlace& place, std::int64_t attempts, Time now) {
  const auto [found, fresh] = entries_.try_emplace(place);
  Entry& entry = found->second;
  if (!fresh && entry.state != State::waiting && entry.state != State::claiming) return false;
  if (!fresh) leave_state(entry);
  entry.state = State::running;
  entry.attempts = attempts;
  entry.touched = now;
  ++running_;
  return true;
}

StreamLedger::Verdict StreamLedger::settle(const EntryPlace& place, spi::Settlement outcome, Answer answer, Time now) {
  Entry* entry = find(place);
  if (entry == nullptr || entry->state != State::running) return Verdict::unknown;
  leave_state(*entry);
  entry->answered = answer == Answer::sent;
  if (answer == Answer::lost) outcome = spi::Settlement::requeue;
  if (outcome == spi::Settlement::requeue && !spent(entry->attempts)) {
    if (due_.size() >= limits_.max_waiting) {
      entries_.erase(place);
      left_some_ = true;
      return Verdict::leave;
    }
    wait(place, *entry, now + limits_.retry_delay);
    return Verdict::wait;
  }
  const bool bury = outcome == spi::Settlement::requeue || outcome == spi::Settlement::dead_letter;
  entry->state = bury ? State::burying : State::settled;
  return bury ? Verdict::bury : Verdict::acknowledge;
}

void StreamLedger::retry(const EntryPlace& place, Time now) {
  Entry* entry = find(place);
  if (entry == nullptr || entry->state == State::running || entry->state == State::waiting) return;
  wait(place, *entry, now + limits_.retry_delay);
}

void StreamLedger::acknowledged(const EntryPlace& place) {
  Entry* entry = find(place);
  if (entry == nullptr) return;
  leave_state(*entry);
  entries_.erase(place);
}

void StreamLedger::forget(const EntryPlace& place) {
  const Entry* entry = find(place);
  if (entry != nullptr && entry->state == State::claiming) acknowledged(place);
}

bool StreamLedger::settled_only() const {
  return !left_some_ && std::all_of(entries_.begin(), entries_.end(),
                                    [](const auto& entry) { return entry.second.state == State::settled; });
}

std::vector<EntryPlace> StreamLedger::due(Time now) {
  std::vector<EntryPlace> found;
  while (!due_.empty() && due_.begin()->first <= now) {
    found.push_back(std::move(due_.begin()->second));
    due_.erase(due_.begin());
    find(found.back())->state = State::claiming;
  }
  return found;
}

void StreamLedger::defer(const EntryPlace& place, Time when) {
  Entry* entry = find(place);
  if (entry != nullptr && entry->state == State::claiming) wait(place, *entry, when);
}

std::optional<StreamLedger::Time> StreamLedger::next_due() const {
  return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
}

bool StreamLedger::spent(const EntryPlace& place) const { return spent(attempts(place)); }

std::int64_t StreamLedger::attempts(const EntryPlace& place) const {
  const Entry* entry = find(place);
  return entry == nullptr ? 0 : entry->attempts;
}

std::vector<EntryPlace> StreamLedger::stale(Time now, std::chrono::milliseconds age) {
  std::vector<EntryPlace> found;
  for (auto& [place, entry] : entries_) {
    if (now - entry.touched < age) continue;
    entry.touched = now;
    found.push_back(place);
  }
  return found;
}

std::vector<EntryPlace> StreamLedger::reconnected(Time now) {
  std::vector<EntryPlace> settled;
  std::vector<EntryPlace> again;
  for (const auto& [place, entry] : entries_) {
    if (entry.state == State::settled && !entry.answered) settled.push_back(place);
    else if (entry.state != State::running) again.push_back(place);
  }
  for (const EntryPlace& place : again) {
    Entry& entry = *find(place);
    leave_state(entry);
    wait(place, entry, now);
  }
  return settled;
}

void StreamLedger::wait(const EntryPlace& place, Entry& entry, Time when) {
  entry.state = State::waiting;
  entry.due = due_.emplace(when, place);
}

void StreamLedger::leave_state(Entry& entry) {
  if (entry.state == State::running) --running_;
  if (entry.state == State::waiting) due_.erase(entry.due);
  entry.state = State::settled;
}

}  // namespace ferry::redis
