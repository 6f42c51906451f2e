// What hiredis alone does with the same bytes: answers on the channel's reply channel.

#include <cstdio>
#include <exception>

#include "bare_redis.hpp"
#include "envelope.hpp"

int main(int argc, char** argv) {
  try {
    const bench::Place place(argc, argv);
    asio::io_context io(1);
    bench::Answers answers;
    bench::RedisLink publisher(io, place.port);
    bench::RedisLink subscriber(io, place.port);
    int subscribed = 0;
    subscriber.on_number = [&] {
      if (++subscribed == 4) place.print_ready();
    };
    std::string reply_channel;
    subscriber.on_message = [&](std::string_view channel, std::string_view body) {
      const std::string_view answer = answers.to(body);
      if (!answer.empty()) publisher.publish(reply_channel.assign(channel).append(".reply"), answer);
    };
    subscriber.on_turn = [&] { publisher.flush(); };
    for (const char* channel : {"sum", "echo", "event", "count"}) subscriber.subscribe(channel);
    subscriber.flush();
    io.run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
