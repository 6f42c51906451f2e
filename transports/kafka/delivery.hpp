#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/contexts/kafka_context.hpp"
#include "ferry/detail/pool.hpp"
#include "ferry/spi/transport.hpp"
#include "transports/kafka/assignment.hpp"
#include "transports/kafka/output.hpp"
#include "transports/kafka/record.hpp"

namespace ferry::kafka {

class KafkaDelivery;

/// Where deliveries go with what is the service's to do. They may outlive it, and its loop.
/// Threads: any.
class Desk : public std::enable_shared_from_this<Desk> {
 public:
  /// The service's side, on its loop.
  class Owner {
   public:
    virtual void settled(Work work, spi::Settlement outcome) = 0;
    virtual void hold(const PartitionPtr& partition, bool held) = 0;
    virtual void commit(const Record& record) = 0;
    virtual void when_writable(std::function<void()> ready) = 0;
    virtual void report(const Failure& failure) = 0;

   protected:
    ~Owner() = default;
  };

  struct Rules {
    bool extensions = true;
    bool at_least_once = false;
    bool transactional = false;     // what goes out waits for its record
    bool observe = false;           // nobody is answered
    std::size_t max_message = 0;    // bytes of one that goes out
    std::size_t high_water = 0;     // bytes of answers with the driver, above which streams of them wait
  };

  Desk(const spi::Loop& loop, const spi::Serializer& serializer, Owner& owner, const Rules& rules)
      : loop_(loop), serializer_(serializer), owner_(&owner), rules_(rules) {}

  const spi::Loop& loop() const noexcept { return loop_; }
  const spi::Serializer& serializer() const noexcept { return serializer_; }
  const Rules& rules() const noexcept { return rules_; }
  /// Nothing more reaches the owner. On the loop.
  void close();

  void settle(Work work, spi::Settlement outcome);
  void hold(PartitionPtr partition, bool held);
  void commit(RecordPtr record);
  void when_writable(std::function<void()> ready);
  void report(Failure failure);

 private:
  template <class F>
  void post(F&& function);
  template <class F>
  void tell(F&& function);   // at once, if this is the loop

  const spi::Loop& loop_;
  const spi::Serializer& serializer_;
  std::mutex mutex_;   // guards `owner_` where it is asked for off the loop
  Owner* owner_;
  const Rules rules_;
};

/// A record and the way its answers go. Its views point into the driver's record, or into itself.
class KafkaDelivery final : public spi::Delivery, public KafkaContext, public detail::Pooled {
 public:
  /// `attempts`: how often it was handled before.
  KafkaDelivery(std::shared_ptr<Desk> desk, RecordPtr record, std::int64_t attempts);

  // spi::Delivery
  Headers headers() const override { return headers_.application(); }
  void reply(spi::ReplyKind kind, std::string& payload) override;
  void settle(spi::Settlement outcome) override;
  bool writable() const override;
  void when_writable(std::function<void()> ready) override { desk_->when_writable(std::move(ready)); }
  bool can_be_requeued() const noexcept override { return desk_->rules().at_least_once; }
  TransportContext* context() noexcept override { return this; }

  // KafkaContext; `headers` is both's
  std::string_view message() const override { return value_of(record_->message); }
  std::string topic() const override { return record_->partition->topic; }
  std::int32_t partition() const override { return record_->message->partition; }
  std::int64_t offset() const override { return record_->message->offset; }
  std::optional<std::string> key() const override;
  std::chrono::system_clock::time_point timestamp() const override;
  void emit(const Pattern& pattern, const nlohmann::json& data, const nlohmann::json& record, const Headers& headers) override;
  void heartbeat() override {}
  void commit() override;
  void pause() override { desk_->hold(record_->partition, true); }
  void resume() override { desk_->hold(record_->partition, false); }

 private:
  void dispose() noexcept override { delete this; }
  void read_request();
  void read_payload();
  void read_deadline();
  bool answer(spi::ReplyKind kind, std::string_view payload, Failure& failure);
  bool put_by(Output output, Failure& failure);

  std::shared_ptr<Desk> desk_;
  RecordPtr record_;
  RecordHeaders headers_;
  std::int64_t attempts_;
  std::string id_;        // as JSON
  std::string value_;     // the payload, where it is not the record's own text
  std::string_view reply_topic_;
  std::string_view correlation_;
  std::int32_t reply_partition_ = RD_KAFKA_PARTITION_UA;
  bool refused_ = false;          // a reply was: no other may follow but the error that says so
  std::mutex mutex_;              // guards what follows: an event may have several handlers
  std::vector<Output> outputs_;   // that leave when the record was handled
};

}  // namespace ferry::kafka
