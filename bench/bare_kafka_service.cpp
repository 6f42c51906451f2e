// What librdkafka alone does with the same records: a group's member that answers.

#include <cstdio>
#include <exception>
#include <iterator>

#include "bare_kafka.hpp"
#include "load.hpp"

namespace {

/// To be committed: it was handled, or its answer is stored.
void done(rd_kafka_message_t* message) {
  rd_kafka_offset_store(message->rkt, message->partition, message->offset);
  rd_kafka_message_destroy(message);
}

void reported(rd_kafka_t*, const rd_kafka_message_t* report, void*) {
  if (report->err != RD_KAFKA_RESP_ERR_NO_ERROR) std::fprintf(stderr, "%s\n", rd_kafka_err2str(report->err));
  done(static_cast<rd_kafka_message_t*>(report->_private));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const bench::Place place(argc, argv);
    const bench::Kafka producer(RD_KAFKA_PRODUCER, place.port, {}, reported);
    const bench::Kafka consumer(RD_KAFKA_CONSUMER, place.port, {{"group.id", "bench"}, {"fetch.wait.max.ms", "500"},
                                                                {"enable.auto.offset.store", "false"}, {"auto.commit.interval.ms", "1000"}});
    rd_kafka_topic_partition_list_t* const topics = rd_kafka_topic_partition_list_new(static_cast<int>(std::size(bench::kafka_topics)));
    for (const char* topic : bench::kafka_topics) {
      producer.make(topic);
      rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_subscribe(consumer.raw(), topics);
    rd_kafka_topic_partition_list_destroy(topics);
    std::uint64_t events = 0;
    for (bool ready = false;;) {
      rd_kafka_message_t* const message = rd_kafka_consumer_poll(consumer.raw(), ready ? 1000 : 10);
      rd_kafka_poll(producer.raw(), 0);
      if (!ready) {
        rd_kafka_topic_partition_list_t* mine = nullptr;
        ready = rd_kafka_assignment(consumer.raw(), &mine) == RD_KAFKA_RESP_ERR_NO_ERROR && mine->cnt > 0;
        if (mine != nullptr) rd_kafka_topic_partition_list_destroy(mine);
        if (ready) place.print_ready();
      }
      if (message == nullptr) continue;
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_message_destroy(message);
        continue;
      }
      const std::string_view id = bench::header_of(message, bench::kafka_id);
      if (id.empty()) {
        ++events;
        done(message);
      } else {
        const char topic = rd_kafka_topic_name(message->rkt)[0];
        const std::string count = std::to_string(events);
        if (topic == 'c') events = 0;
        const std::string_view answer = topic == 's' ? "6" : topic == 'c' ? std::string_view(count) : bench::value_of(message);
        const std::string to(bench::header_of(message, bench::kafka_reply_to));
        const int partition = std::stoi(std::string(bench::header_of(message, bench::kafka_reply_partition)));
        using namespace std::string_view_literals;
        while (!producer.send(to.c_str(), partition, answer, {{bench::kafka_id, id}, {bench::kafka_over, "\0"sv}}, message)) rd_kafka_poll(producer.raw(), 1);
      }
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
