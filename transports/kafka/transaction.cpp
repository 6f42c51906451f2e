#include "transports/kafka/transaction.hpp"

#include <algorithm>
#include <utility>

#include "transports/kafka/error.hpp"

namespace ferry::kafka {
namespace {

using Clock = std::chrono::steady_clock;

struct ErrorDeleter {
  void operator()(rd_kafka_error_t* error) const noexcept { rd_kafka_error_destroy(error); }
};
using ErrorPtr = std::unique_ptr<rd_kafka_error_t, ErrorDeleter>;

/// Asks until the driver has done it, or says that it cannot be done. Null: done.
template <class F>
ErrorPtr persist(std::chrono::milliseconds limit, const Stopped& stopped, F step) {
  constexpr std::chrono::milliseconds slice{2000};   // so that nobody waits long for who has stopped
  const auto end = Clock::now() + limit;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    ErrorPtr error(step(static_cast<int>(std::clamp<std::int64_t>(std::min(left, slice).count(), 1, slice.count()))));
    if (!error || rd_kafka_error_is_retriable(error.get()) == 0 || stopped || Clock::now() >= end) return error;
  }
}

Failure describe(const rd_kafka_error_t* error, const char* what) {
  return driver_failure(rd_kafka_error_code(error), what, Fate::not_sent, rd_kafka_error_string(error));
}

}  // namespace

Fault init_transactions(rd_kafka_t* producer, std::chrono::milliseconds limit, const Stopped& stopped) {
  const ErrorPtr error = persist(limit, stopped, [producer](int wait) { return rd_kafka_init_transactions(producer, wait); });
  if (!error) return {};
  return describe(error.get(), "cannot begin with transactions");
}

Transaction::Transaction(std::shared_ptr<Session> session, const spi::Loop& loop, const Rules& rules, Events events)
    : session_(std::move(session)), loop_(loop), worker_(std::make_unique<Worker>(loop)), rules_(rules), events_(std::move(events)) {}

// --- what goes in ---------------------------------------------------------------------------------------------------

void Transaction::add(Work work) {
  work.sent = 0;
  waiting_.push_back(std::move(work));
  if (state_ == State::idle || (state_ == State::open && !full_)) fill();
}

void Transaction::room() {
  if (full_ && state_ == State::open) fill();
}

bool Transaction::complete() const {
  return broken_ || (rules_.most_records != 0 && current_.size() >= rules_.most_records);
}

/// What waits goes in, as long as there is room, and nobody waits for the end.
void Transaction::fill() {
  const auto alive = std::weak_ptr(alive_);
  while (!waiting_.empty() && (state_ == State::open || state_ == State::idle)) {
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    if (work.sent == 0 && work.record->partition->gone) {
      full_ = false;
      events_.done(work);
      if (alive.expired()) return;
      continue;
    }
    const bool open = state_ == State::open || begin();
    if (!open || complete() || (due_ && work.sent == 0)) {
      waiting_.push_front(std::move(work));
      break;
    }
    full_ = !include(work);
    if (!full_) continue;
    waiting_.push_front(std::move(work));
    break;
  }
  wait_for_more();
  if (idle()) events_.idle();
}

bool Transaction::begin() {
  Failure failure;
  if (!succeeded(rd_kafka_begin_transaction(session_->producer->get()), "cannot begin a transaction", failure)) {
    loop_.post([this, alive = std::weak_ptr(alive_), failure] {
      if (!alive.expired()) events_.over(failure);
    });
    return false;
  }
  state_ = State::open;
  broken_ = false;
  due_ = false;
  bad_.clear();
  group_.reset(rd_kafka_consumer_group_metadata(session_->consumer->get()), [](rd_kafka_consumer_group_metadata_t* group) {
    if (group != nullptr) rd_kafka_consumer_group_metadata_destroy(group);
  });
  return true;
}

/// False: there is no room for the rest of it.
bool Transaction::include(Work& work) {
  const std::uintptr_t number = work.record->number;
  for (; work.sent < work.outputs.size() && !broken_; ++work.sent) {
    const Output& output = work.outputs[work.sent];
    Failure failure;
    awaited_ = awaited_ || output.reply;
    const Trouble trouble = output.send(*session_, reinterpret_cast<void*>(opaque_of(number, true)), failure);
    if (trouble == Trouble::none) continue;
    if (trouble == Trouble::passing && failure.code == errc::overloaded) return false;
    broken_ = true;
    if (trouble != Trouble::passing) bad_[number] = trouble;
    events_.error(failure);
  }
  current_.push_back(std::move(work));
  return true;
}

void Transaction::wait_for_more() {
  const bool empty = current_.empty() && !torn();
  if (state_ != State::open || (empty && !waiting_.empty())) return;
  if (empty || hurry_ || awaited_ || due_ || complete()) return end();
  if (timer_) return;
  timer_.emplace(loop_.executor(), rules_.interval);
  timer_->async_wait([this, alive = std::weak_ptr(alive_)](std::error_code error) {
    if (error || alive.expired()) return;
    timer_.reset();
    end();
  });
}

void Transaction::hurry(bool on) {
  hurry_ = on;
  wait_for_more();
}

void Transaction::shut() {
  alive_.reset();
  timer_.reset();
  worker_.reset();
  state_ = State::resting;
}

void Transaction::not_stored(std::uintptr_t number, rd_kafka_resp_err_t error) {
  if (error == RD_KAFKA_RESP_ERR__PURGE_QUEUE || error == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) return;   // an abort's own doing
  broken_ = true;
  const Trouble trouble = trouble_of(make_code(error));
  if (trouble != Trouble::passing) bad_[number] = std::max(bad_[number], trouble);
}

// --- its end --------------------------------------------------------------------------------------------------------

void Transaction::end() {
  if (state_ != State::open) return;
  due_ = true;
  if (torn() && !broken_) return;   // `room` comes back to it
  full_ = false;
  state_ = State::ending;
  awaited_ = false;
  timer_.reset();
  std::shared_ptr<rd_kafka_topic_partition_list_t> offsets(rd_kafka_topic_partition_list_new(8), PartitionListDeleter());
  bool ours = !broken_;
  for (const Work& work : current_) {
    const Partition& partition = *work.record->partition;
    ours = ours && !partition.gone;
    rd_kafka_topic_partition_t* place = rd_kafka_topic_partition_list_find(offsets.get(), partition.topic.c_str(), partition.number);
    if (place == nullptr) place = rd_kafka_topic_partition_list_add(offsets.get(), partition.topic.c_str(), partition.number);
    place->offset = work.record->message->offset + 1;
  }
  if (!ours) offsets.reset();   // nothing of it may be committed
  worker_->run([this, alive = std::weak_ptr(alive_), session = session_, offsets, group = group_,
               limit = rules_.limit](const Stopped& stopped) -> Worker::Outcome {
    return [this, alive, how = commit(*session, offsets.get(), group.get(), limit, stopped)] {
      if (!alive.expired()) ended(how);
    };
  });
}

/// On the worker's thread. `offsets` null: it is to be aborted.
Transaction::Ended Transaction::commit(const Session& session, const rd_kafka_topic_partition_list_t* offsets,
                                       const rd_kafka_consumer_group_metadata_t* group, std::chrono::milliseconds limit,
                                       const Stopped& stopped) {
  rd_kafka_t* const producer = session.producer->get();
  Ended ended;
  ErrorPtr error;
  if (offsets != nullptr) {
    error = persist(limit, stopped, [&](int wait) { return rd_kafka_send_offsets_to_transaction(producer, offsets, group, wait); });
    if (!error) error = persist(limit, stopped, [&](int wait) { return rd_kafka_commit_transaction(producer, wait); });
    if (!error) return ended;
    ended.failure = describe(error.get(), "a transaction was not committed");
    // Whether a commit that timed out took place only the brokers know: the next session begins where they say.
    if (rd_kafka_error_is_fatal(error.get()) != 0 || rd_kafka_error_txn_requires_abort(error.get()) == 0) {
      ended.how = Ended::How::fatal;
      return ended;
    }
  }
  error = persist(limit, stopped, [&](int wait) { return rd_kafka_abort_transaction(producer, wait); });
  ended.how = error ? Ended::How::fatal : Ended::How::aborted;
  if (error) ended.failure = describe(error.get(), "a transaction was not aborted");
  return ended;
}

void Transaction::ended(const Ended& ended) {
  const auto alive = std::weak_ptr(alive_);
  std::vector<Work> works = std::exchange(current_, {});
  if (ended.how == Ended::How::fatal) return events_.over(ended.failure);
  if (ended.how == Ended::How::aborted) {
    if (ended.failure.code) events_.error(ended.failure);
    return again(std::move(works));
  }
  state_ = State::idle;
  for (const Work& work : works) {
    events_.done(work);
    if (alive.expired()) return;
  }
  fill();
}

/// After a while: who is shut out of his group, or has no brokers, should not be quick.
void Transaction::again(std::vector<Work> works) {
  state_ = State::resting;
  for (auto work = works.rbegin(); work != works.rend(); ++work) waiting_.push_front(std::move(*work));
  for (Work& work : waiting_) {
    work.sent = 0;
    const auto bad = bad_.find(work.record->number);
    if (bad != bad_.end()) work = events_.instead(std::move(work), bad->second);
  }
  timer_.emplace(loop_.executor(), rules_.retry_delay);
  timer_->async_wait([this, alive = std::weak_ptr(alive_)](std::error_code error) {
    if (error || alive.expired()) return;
    timer_.reset();
    state_ = State::idle;
    fill();
  });
}

}  // namespace ferry::kafka
