// What a stream needs beside reading: entries that others left behind, that failed, or that everybody has handled.

#include <algorithm>
#include <charconv>
#include <utility>

#include "transports/redis/error.hpp"
#include "transports/redis/stream_id.hpp"
#include "transports/redis/stream_service.hpp"

namespace ferry::redis {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t swept_at_once = 256;
constexpr std::size_t refreshed_at_once = 500;

/// The value that follows `name` in a flat list of names and values.
const Value& member(const Value& list, std::string_view name) {
  static const Value none;
  for (auto at = list.begin(); at != list.end(); ++at) {
    const bool found = at->text == name;
    if (++at == list.end()) break;
    if (found) return *at;
  }
  return none;
}

}  // namespace

void StreamService::start_upkeep() {
  upkeep_timer_.emplace(loop().executor());
  retry_timer_.emplace(loop().executor());
  const StreamSettings& s = settings().streams;
  upkeep_timer_->expires_after(std::min(s.housekeeping, s.claim_after / 3));
  upkeep_timer_->async_wait([self = shared_from_this(), this](const std::error_code& cancelled) {
    if (!cancelled && connected()) upkeep();
  });
  arm_retries();
}

void StreamService::upkeep() {
  keep_fresh();
  learn_clock();
  for (std::uint32_t i = 0; i < streams_.size() && !draining_; ++i) {
    if (!held()) sweep(i, false);
    if (settings().streams.trim) trim(i);
    if (upkeeps_ % 16 == 0) forget_consumers(i);
  }
  ++upkeeps_;
  start_upkeep();
}

/// Others take over what nobody touches: what is being worked on, or waits for its next attempt, is touched.
void StreamService::keep_fresh() {
  const auto stale = ledger_.stale(Clock::now(), settings().streams.claim_after / 4);
  for (std::uint32_t i = 0; i < streams_.size(); ++i) {
    std::vector<const std::string*> ids;
    for (const EntryPlace& place : stale) {
      if (place.stream == i) ids.push_back(&place.id);
    }
    for (std::size_t from = 0; from < ids.size(); from += refreshed_at_once) {
      Command command = this->command("XCLAIM", i);
      command.add(consumer_).add("0");
      for (std::size_t k = from; k < std::min(ids.size(), from + refreshed_at_once); ++k) command.add(*ids[k]);
      commands().ask(command.add("JUSTID").text(), [](const Value&) {});
    }
  }
}

// --- what was left behind -------------------------------------------------------------------------------------------

/// Looks for entries that nobody has touched for long; `own`: at once for all under our name, of which some may have been
/// lost on their way to us.
void StreamService::sweep(std::uint32_t stream, bool own) {
  Command command = this->command("XPENDING", stream);
  if (!own) command.add("IDLE").add(static_cast<std::uint64_t>(settings().streams.claim_after.count()));
  command.add("-").add("+").add(swept_at_once);
  if (own) command.add(consumer_);
  commands().ask(command.text(), [self = shared_from_this(), this, stream](const Value& reply) { on_pending(stream, reply); });
}

void StreamService::on_pending(std::uint32_t stream, const Value& reply) {
  if (reply.is(Value::Type::error)) return report(refusal("XPENDING " + streams_[stream].key, reply.text));
  std::size_t room = settings().streams.prefetch - std::min(settings().streams.prefetch, ledger_.running());
  for (const Value& pending : reply) {   // [id, consumer, idle ms, deliveries]
    const EntryPlace place{stream, std::string(pending.at(0).text)};
    if (ledger_.has(place) || !connected() || draining_) continue;
    if (room == 0) return;   // the next sweep, or another instance
    --room;
    const bool own = pending.at(1).text == consumer_;
    claim(place, pending.at(3).number + 1, own ? 0ms : settings().streams.claim_after);
  }
}

/// Takes an entry over, if it still is that idle: of several instances that try, one succeeds.
void StreamService::claim(const EntryPlace& place, std::int64_t attempts, std::chrono::milliseconds idle) {
  Command command = this->command("XCLAIM", place.stream);
  command.add(consumer_).add(static_cast<std::uint64_t>(idle.count())).add(place.id);
  commands().ask(command.text(), [self = shared_from_this(), this, place, attempts](const Value& reply) {
    if (reply.is(Value::Type::error)) {
      ledger_.retry(place, Clock::now());
      return report(refusal("XCLAIM " + streams_[place.stream].key, reply.text));
    }
    const net::ChunkPtr memory = commands().memory();
    if (reply.size() == 0) {   // somebody else has it, or it was trimmed away: nothing of ours, either way
      return ledger_.forget(place);
    }
    const Value& entry = reply.at(0);
    if (ledger_.spent(attempts - 1)) {
      // It was delivered as often as it may be, and never settled: its handler may be what ends the process.
      if (!ledger_.take(place, attempts - 1, Clock::now())) return;
      ledger_.settle(place, spi::Settlement::dead_letter, StreamLedger::Answer::none, Clock::now());
      return bury_entry(place, "it was delivered too often without an end", entry);
    }
    take(place.stream, entry, attempts, memory);
  });
}

// --- what failed ----------------------------------------------------------------------------------------------------

void StreamService::arm_retries() {
  const auto next = ledger_.next_due();
  if (!next || !retry_timer_) return;
  retry_timer_->expires_at(*next);
  retry_timer_->async_wait([self = shared_from_this(), this](const std::error_code& cancelled) {
    if (!cancelled && connected()) try_again();
  });
}

void StreamService::try_again() {
  if (held() || draining_) return;   // `apply_hold` arms it again
  for (const EntryPlace& place : ledger_.due(Clock::now())) {
    if (ledger_.spent(place)) bury(place, "its handler failed too often");
    else claim(place, ledger_.attempts(place) + 1, 0ms);
  }
  arm_retries();
}

/// The server has the entry still: whoever failed with it need not keep it.
void StreamService::bury(const EntryPlace& place, std::string_view cause) {
  if (!connected()) return;   // the ledger remembers
  Command command;
  command.add("XRANGE").add(streams_[place.stream].key).add(place.id).add(place.id);
  commands().ask(command.text(), [self = shared_from_this(), this, place, cause = std::string(cause)](const Value& reply) {
    if (reply.is(Value::Type::error)) {
      ledger_.retry(place, Clock::now());
      arm_retries();
      return report(refusal("XRANGE " + streams_[place.stream].key, reply.text));
    }
    if (reply.size() == 0) return acknowledge(place);   // trimmed away: there is nothing to keep
    bury_entry(place, cause, reply.at(0));
  });
}

/// First to the dead letters, then, when that is confirmed, away from the group.
void StreamService::bury_entry(const EntryPlace& place, std::string_view cause, const Value& entry) {
  const StreamSettings& s = settings().streams;
  const Stream& stream = streams_[place.stream];
  Command command;
  command.add("XADD").add(stream.dead_key);
  if (s.dead_max_length != 0) command.add("MAXLEN").add("~").add(s.dead_max_length);
  command.add("*");
  for (const Value& word : entry.at(1)) command.add(word.text);
  command.add("cause").add(cause).add("attempts").add(static_cast<std::uint64_t>(std::max<std::int64_t>(0, ledger_.attempts(place))));
  command.add("origin").add(stream.key).add("entry").add(place.id).add("group").add(s.group);
  commands().ask(command.text(), [self = shared_from_this(), this, place](const Value& reply) {
    if (!reply.is(Value::Type::error)) return acknowledge(place);
    ledger_.retry(place, Clock::now());
    arm_retries();
    report(refusal("XADD " + streams_[place.stream].dead_key, reply.text));
  });
  report(Failure(errc::rejected, "the entry " + place.id + " of " + stream.key + " goes to " + stream.dead_key + ": " + std::string(cause)));
}

// --- what is too old ------------------------------------------------------------------------------------------------

/// Removes what every group has handled: nothing that is pending in one, or that one has yet to read.
void StreamService::trim(std::uint32_t stream) {
  Command groups;
  groups.add("XINFO").add("GROUPS").add(streams_[stream].key);
  commands().ask(groups.text(), [self = shared_from_this(), this, stream](const Value& reply) {
    if (!reply.is(Value::Type::array) || reply.size() == 0 || !connected()) return;
    struct Oldest {
      std::string id;             // entries before it are done with
      std::size_t left = 0;       // groups yet to say
      void add(std::string_view other) {
        if (id.empty() || id_order(other) < id_order(id)) id = other;
      }
    };
    const auto oldest = std::make_shared<Oldest>();
    const auto finish = [self, this, stream, oldest] {
      if (--oldest->left != 0 || oldest->id.empty() || id_order(oldest->id) == std::pair<std::uint64_t, std::uint64_t>{}) return;
      Command command;
      command.add("XTRIM").add(streams_[stream].key).add("MINID").add("~").add(oldest->id);
      if (connected()) commands().ask(command.text(), [](const Value&) {});
    };
    oldest->left = reply.size();
    for (const Value& group : reply) {
      oldest->add(member(group, "last-delivered-id").text);
      // Asked even where none is said to be pending: that may have changed, but never to something older.
      Command pending;
      pending.add("XPENDING").add(streams_[stream].key).add(member(group, "name").text);
      commands().ask(pending.text(), [oldest, finish](const Value& summary) {   // [count, first id, last id, consumers]
        if (summary.is(Value::Type::error)) oldest->add("0-0");
        else if (summary.at(0).number != 0) oldest->add(summary.at(1).text);
        finish();
      });
    }
  });
}

/// Names of instances that are long gone, and have left nothing.
void StreamService::forget_consumers(std::uint32_t stream) {
  Command command;
  command.add("XINFO").add("CONSUMERS").add(streams_[stream].key).add(settings().streams.group);
  commands().ask(command.text(), [self = shared_from_this(), this, stream](const Value& reply) {
    if (!reply.is(Value::Type::array) || !connected()) return;
    for (const Value& consumer : reply) {
      const std::string_view name = member(consumer, "name").text;
      const std::chrono::milliseconds idle(member(consumer, "idle").number);
      if (name == consumer_ || member(consumer, "pending").number != 0 || idle < settings().streams.forget_consumers_after) continue;
      Command forget;
      forget.add("XGROUP").add("DELCONSUMER").add(streams_[stream].key).add(settings().streams.group).add(name);
      commands().ask(forget.text(), [](const Value&) {});
    }
  });
}

/// A caller's deadline counts from when the server got its request.
void StreamService::learn_clock() {
  commands().ask(Command().add("TIME").text(), [self = shared_from_this(), this](const Value& reply) {
    const auto number = [&](std::size_t index) {
      const std::string_view text = reply.at(index).text;
      std::int64_t value = 0;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return value;
    };
    if (!reply.is(Value::Type::array)) return;
    const std::chrono::milliseconds theirs(number(0) * 1000 + number(1) / 1000);
    const auto ours = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
    clock_offset_ = theirs - ours;
  });
}

}  // namespace ferry::redis
