#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/contexts/kafka_context.hpp"
#include "ferry/detail/pool.hpp"
#include "ferry/spi/transport.hpp"
#include "transports/kafka/assignment.hpp"
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
    virtual void settled(const RecordPtr& record, std::int64_t attempts, spi::Settlement outcome) = 0;
    virtual void hold(const PartitionPtr& partition, bool held) = 0;
    virtual void report(const Failure& failure) = 0;

   protected:
    ~Owner() = default;
  };

  Desk(const spi::Loop& loop, const spi::Serializer& serializer, Owner& owner, bool extensions)
      : loop_(loop), serializer_(serializer), owner_(&owner), extensions_(extensions) {}

  const spi::Loop& loop() const noexcept { return loop_; }
  const spi::Serializer& serializer() const noexcept { return serializer_; }
  bool extensions() const noexcept { return extensions_; }
  /// Nothing more reaches the owner. On the loop.
  void close();

  void settle(RecordPtr record, std::int64_t attempts, spi::Settlement outcome);
  void hold(PartitionPtr partition, bool held);
  void report(Failure failure);

 private:
  template <class F>
  void post(F&& function);

  const spi::Loop& loop_;
  const spi::Serializer& serializer_;
  std::mutex mutex_;   // guards `owner_` where it is asked for off the loop
  Owner* owner_;
  const bool extensions_;
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
  TransportContext* context() noexcept override { return this; }

  // KafkaContext; `headers` is both's
  std::string_view message() const override { return value_of(record_->message); }
  std::string topic() const override { return record_->partition->topic; }
  std::int32_t partition() const override { return record_->message->partition; }
  std::int64_t offset() const override { return record_->message->offset; }
  std::optional<std::string> key() const override;
  std::chrono::system_clock::time_point timestamp() const override;
  void heartbeat() override {}
  void commit() override;
  void pause() override { desk_->hold(record_->partition, true); }
  void resume() override { desk_->hold(record_->partition, false); }

 private:
  void dispose() noexcept override { delete this; }
  void read_request();
  void read_payload();
  void read_deadline();

  std::shared_ptr<Desk> desk_;
  RecordPtr record_;
  RecordHeaders headers_;
  std::int64_t attempts_;
  std::string id_;        // as JSON
  std::string value_;     // the payload, where it is not the record's own text
  std::string_view reply_topic_;
  std::string_view correlation_;
  std::int32_t reply_partition_ = RD_KAFKA_PARTITION_UA;
};

}  // namespace ferry::kafka
