#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>

#include "ferry/spi/transport.hpp"
#include "transports/kafka/assignment.hpp"
#include "transports/kafka/cluster.hpp"
#include "transports/kafka/delivery.hpp"
#include "transports/kafka/options.hpp"
#include "transports/kafka/output.hpp"
#include "transports/kafka/producer.hpp"
#include "transports/kafka/transaction.hpp"
#include "transports/kafka/worker.hpp"

namespace ferry::kafka {

/// A member of a consumer group on the topics of its routes. It stays one while the brokers are out of reach for a while:
/// the driver connects again by itself, and `listen` waits for that. So a short loss moves no partition.
class Server final : public spi::ServerTransport, private Desk::Owner {
 public:
  Server(spi::ServerEnvironment environment, spi::ServerSink& sink);
  ~Server() override;

  void listen(std::vector<spi::Subscription> subscriptions, std::function<void(const Failure*)> done) override;
  void pause() override { paused_ = true; }
  void resume() override;
  void drain(std::function<void()> done) override;
  void close(std::chrono::milliseconds limit, std::function<void()> done) override;
  std::string endpoint() const override { return "kafka://" + settings_.link.brokers; }
  spi::NativeHandle native() noexcept override;

 private:
  using Clock = std::chrono::steady_clock;
  using Listened = std::function<void(const Failure*)>;
  using Place = std::pair<std::string, std::int32_t>;
  struct Route {
    std::string name;
    std::size_t at_once = 1;   // events that its handlers take at a time
  };
  /// A record whose answers and outputs are on their way. Their reports may come before it is settled.
  struct Unconfirmed {
    Work work;
    std::size_t expected = 0;
    std::size_t reported = 0;
    bool settled = false;
    Trouble trouble = Trouble::none;   // the worst that an output had, with the brokers
    Trouble refused = Trouble::none;   // and with the driver
  };

  // Desk::Owner: server_records.cpp
  void settled(Work work, spi::Settlement outcome) override;
  void hold(const PartitionPtr& partition, bool held) override;
  void commit(const Record& record) override;
  void when_writable(std::function<void()> ready) override;
  void report(const Failure& failure) override { sink_.on_error(failure); }

  // server.cpp: beginning and end
  bool read_routes(const std::vector<spi::Subscription>& subscriptions, Failure& failure);
  bool start(Failure& failure);
  void subscribe();
  void listening();
  void failed(const Failure& failure);
  void gone(const Failure& why);
  void lost(const Failure& why);
  void let_go();
  void serve();
  void serve_group();
  void serve_producer();
  void take(rd_kafka_event_t* event);
  void take_error(rd_kafka_event_t* event);
  void tick();
  void wake_writers();
  void flushed();
  void leave();
  void left();
  /// Runs `job` on the worker's thread, and `then` here, unless the session is another one by then.
  void ask(std::function<Fault(const Stopped&)> job, std::function<void(const Fault&)> then);
  LinkSettings link_of_outputs() const;

  // server_group.cpp: partitions that come and go
  void on_rebalance(rd_kafka_event_t* event);
  void assign(const rd_kafka_topic_partition_list_t& partitions);
  Beginnings begun() const;
  void commit_begun_again();
  void assigned(const rd_kafka_topic_partition_list_t& partitions);
  void revoke(const rd_kafka_topic_partition_list_t& partitions);
  void try_revoke(bool now);
  void revoked();
  bool is_cooperative() const;

  // server_records.cpp: records
  void take_records();
  bool take_some(const PartitionPtr& partition);
  void take(RecordPtr record, std::int64_t attempts);
  bool take_turn(const RecordPtr& record, const spi::DeliveryPtr& delivery);
  void release_turn(const Record& record);
  Turns* turns_of(const Record& record);
  bool answer_in_vain(const Work& work);
  void again(Work work);
  void try_again();
  void arm_retries();

  // server_outputs.cpp: what goes out because of them, and their end
  void handled(Work work);
  void bury(Work work, const std::string& cause);
  Work buried(Work work, const std::string& cause);
  Work given_up(Work work);
  void not_stored(Work work, Trouble trouble);
  void find_topics(Work work);
  void found_topic(const std::string& topic, const Fault& fault);
  void put_out(Work work);
  void send_outputs(Work work);
  void take_report(const rd_kafka_message_t* report);
  void answer_refused(RecordFields record, const Failure& failure);
  void answered(std::uintptr_t number, std::size_t bytes);
  void check(std::uintptr_t number);
  void finished(const RecordPtr& record);
  void move_on(const RecordPtr& record);
  void store_offsets();
  void make_transaction();

  spi::ServerEnvironment environment_;
  spi::ServerSink& sink_;
  const ServerSettings settings_;
  const std::shared_ptr<Desk> desk_;
  std::unordered_map<std::string, Route> routes_;   // by topic
  std::shared_ptr<Session> session_;
  std::unique_ptr<Worker> worker_;
  Listened listened_;
  std::string last_words_;      // of the driver's, why a broker cannot be reached
  Clock::time_point join_limit_ = Clock::time_point::max();
  bool joined_ = false;         // the group has given us partitions, or none, once
  bool up_ = false;             // core takes it for connected
  bool paused_ = false;
  bool draining_ = false;
  std::map<Place, PartitionPtr> partitions_;
  std::size_t next_ = 0;        // which of them is asked first
  std::size_t busy_ = 0;
  std::size_t uncommitted_ = 0;
  Beginnings begun_;            // the group was not ready to take them
  bool committing_ = false;
  PartitionList revoking_;
  Clock::time_point revoke_limit_;
  std::multimap<Clock::time_point, Work> retries_;
  std::unordered_map<std::uintptr_t, Unconfirmed> unconfirmed_;   // by the record's number
  std::uintptr_t last_number_ = 0;
  std::unordered_set<std::string> known_topics_;        // of outputs
  std::unordered_map<std::string, std::vector<Work>> seeking_;   // by the topic that is being looked for
  std::unique_ptr<Transaction> transaction_;
  std::vector<std::function<void()>> writers_;   // of streams of answers, until they may go on
  const Partition* taking_ = nullptr;            // records of it are being handed on
  std::optional<asio::steady_timer> ticker_;
  std::optional<asio::steady_timer> retry_timer_;
  // The end.
  Clock::time_point end_limit_;
  std::function<void()> closed_;
  bool flushing_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>();   // for what is posted
  QueuePtr closing_;            // of the consumer, while it leaves its group
  std::shared_ptr<Bell> closing_bell_;
};

}  // namespace ferry::kafka
