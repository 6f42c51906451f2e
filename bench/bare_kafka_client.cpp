// What librdkafka alone does with the same records: keeps so many requests, or events not yet confirmed, in flight.

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>

#include "bare_kafka.hpp"
#include "load.hpp"

namespace {

/// Reports that came with the last poll.
void reported(rd_kafka_t*, const rd_kafka_message_t* report, void* count) {
  if (report->err != RD_KAFKA_RESP_ERR_NO_ERROR) std::fprintf(stderr, "%s\n", rd_kafka_err2str(report->err));
  ++*static_cast<std::size_t*>(count);
}

class Caller {
 public:
  Caller(const bench::Job& job, const std::string& topic, const bench::Kafka& producer)
      : topic_(topic), reply_topic_(topic + ".reply"), producer_(producer),
        consumer_(RD_KAFKA_CONSUMER, job.port, {{"group.id", "bench-client"}, {"fetch.wait.max.ms", "100"}}) {
    producer.make(topic_);
    rd_kafka_topic_partition_list_t* const mine = rd_kafka_topic_partition_list_new(static_cast<int>(std::size(bench::kafka_reply_topics)));
    for (const char* replies : bench::kafka_reply_topics) {
      producer.make(replies);
      std::int64_t low = 0;
      std::int64_t high = 0;
      rd_kafka_query_watermark_offsets(consumer_.raw(), replies, 0, &low, &high, 10000);
      rd_kafka_topic_partition_list_add(mine, replies, 0)->offset = high;
    }
    rd_kafka_assign(consumer_.raw(), mine);
    rd_kafka_topic_partition_list_destroy(mine);
  }

  void ask(std::string_view value) {
    char id[] = "aaaaaaaaaa00000000000";
    std::uint64_t key = ++last_id_;
    for (int i = 20; i >= 10; --i, key >>= 4) id[i] = "0123456789abcdef"[key & 15];
    producer_.send(topic_.c_str(), -1, value, {{bench::kafka_id, id}, {bench::kafka_reply_to, reply_topic_}, {bench::kafka_reply_partition, "0"}});
  }
  std::string answer() {
    for (;;) {
      rd_kafka_poll(producer_.raw(), 0);
      rd_kafka_message_t* const message = rd_kafka_consumer_poll(consumer_.raw(), 1000);
      if (message == nullptr) continue;
      std::string found(bench::value_of(message));
      const bool good = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
      rd_kafka_message_destroy(message);
      if (good) return found;
    }
  }

 private:
  const std::string topic_;
  const std::string reply_topic_;
  const bench::Kafka& producer_;
  const bench::Kafka consumer_;
  std::uint64_t last_id_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  try {
    std::size_t confirmed = 0;
    const bench::Kafka producer(RD_KAFKA_PRODUCER, job.port, {}, reported, &confirmed);
    Caller caller(job, job.event() ? "count" : job.name, producer);
    bench::Window window(job);
    if (job.event()) {
      std::uint64_t sent = 0;
      const auto next = [&] {
        producer.send("orders", -1, job.payload, {});
        ++sent;
      };
      for (std::size_t i = 0; i < job.in_flight; ++i) next();
      std::uint64_t ended = 0;
      while (ended < sent) {
        rd_kafka_poll(producer.raw(), 1000);
        for (std::size_t count = std::exchange(confirmed, 0); count > 0; --count) {
          ++ended;
          if (!window.over() && window.completed()) next();
        }
      }
      for (std::uint64_t arrived = 0; arrived < sent;) {   // of two topics nothing orders the records
        caller.ask("0");
        arrived += std::stoull(caller.answer());
      }
      window.close();
    } else {
      for (std::size_t i = 0; i < job.in_flight; ++i) caller.ask(job.payload);
      do {
        if (caller.answer() != job.reply()) throw std::runtime_error("not the reply that was expected");
        if (window.completed()) caller.ask(job.payload);
      } while (!window.over());
    }
    window.print();
    std::fflush(stdout);
    std::_Exit(0);   // the driver's own end takes its time
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
