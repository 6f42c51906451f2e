// What Paho alone does with the same bytes: a callback that answers on the topic's reply topic.

#include <cstdio>
#include <exception>

#include <unistd.h>

#include "bare_mqtt.hpp"
#include "envelope.hpp"

int main(int argc, char** argv) {
  try {
    const bench::Place place(argc, argv);
    bench::Answers answers;
    bench::MqttLink link(place.port, "bench-service");
    std::string reply_topic;
    link.on_message = [&](std::string_view topic, std::string_view body) {
      const std::string_view answer = answers.to(body);
      if (!answer.empty()) link.publish(reply_topic.assign(topic).append("/reply"), answer);
    };
    link.connect();
    link.subscribe({"sum", "echo", "event", "count"});
    place.print_ready();
    for (;;) pause();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
