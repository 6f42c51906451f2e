#pragma once
// hiredis as it is fastest: only its reader, which hands out views of its buffer, and its formatter, over a socket of our
// own; all commands of a turn leave in one write.

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <hiredis/hiredis.h>

namespace bench {

/// One connection, to publish or to subscribe.
class RedisLink {
 public:
  RedisLink(asio::io_context& io, std::uint16_t port) : socket_(io), reader_(redisReaderCreateWithFunctions(&functions())) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    socket_.set_option(asio::ip::tcp::no_delay(true));
    reader_->privdata = this;
    reader_->maxbuf = 0;   // it keeps its buffer
    read();
  }

  std::function<void(std::string_view channel, std::string_view payload)> on_message;
  std::function<void()> on_number;   ///< the reply to a PUBLISH, or to a SUBSCRIBE
  std::function<void()> on_turn;     ///< all that was read has been taken

  void publish(std::string_view channel, std::string_view payload) { command({"PUBLISH", channel, payload}); }
  void subscribe(std::string_view channel) { command({"SUBSCRIBE", channel}); }

  void flush() {
    if (writing_ || filling_.empty()) return;
    writing_ = true;
    leaving_.swap(filling_);
    asio::async_write(socket_, asio::buffer(leaving_), [this](const std::error_code& error, std::size_t) {
      if (error) throw std::system_error(error);
      writing_ = false;
      leaving_.clear();
      flush();
    });
  }

 private:
  void command(std::initializer_list<std::string_view> words) {
    const char* texts[3];
    std::size_t sizes[3];
    int count = 0;
    for (const std::string_view word : words) {
      texts[count] = word.data();
      sizes[count++] = word.size();
    }
    char* text = nullptr;
    const auto size = redisFormatCommandArgv(&text, count, texts, sizes);
    if (size < 0) throw std::bad_alloc();
    filling_.append(text, static_cast<std::size_t>(size));
    redisFreeCommand(text);
  }

  void read() {
    socket_.async_read_some(asio::buffer(in_), [this](const std::error_code& error, std::size_t bytes) {
      if (error) throw std::system_error(error);
      redisReaderFeed(reader_.get(), in_.data(), bytes);
      for (void* reply = this; reply != nullptr;) {
        if (redisReaderGetReply(reader_.get(), &reply) != REDIS_OK) throw std::runtime_error(reader_->errstr);
        if (!refused_.empty()) throw std::runtime_error(refused_);
      }
      if (on_turn) on_turn();
      read();
    });
  }

  // What the reader finds. It wants an object for each value, and gets our own: nothing is made, nothing is freed.

  static RedisLink& self(const redisReadTask* task) { return *static_cast<RedisLink*>(task->privdata); }

  static void* take_string(const redisReadTask* task, char* text, std::size_t size) {
    RedisLink& link = self(task);
    if (task->type == REDIS_REPLY_ERROR) {
      link.refused_.assign(text, size);
    } else if (task->parent != nullptr && task->idx == 1) {
      link.channel_.assign(text, size);   // the buffer may move before the payload comes
    } else if (task->parent != nullptr && task->idx == 2) {
      link.on_message(link.channel_, {text, size});
    }
    return &link;
  }
  static void* take_number(const redisReadTask* task, long long) {
    RedisLink& link = self(task);
    if (link.on_number) link.on_number();
    return &link;
  }
  template <class Count>   // hiredis 0.14: int; since 1.0: size_t
  static void* take_array(const redisReadTask* task, Count) { return &self(task); }
  static void* take_nothing(const redisReadTask* task) { return &self(task); }

  static redisReplyObjectFunctions& functions() {
    static redisReplyObjectFunctions all = [] {
      redisReplyObjectFunctions made{};
      made.createString = &take_string;
      made.createArray = &take_array;
      made.createInteger = &take_number;
      made.createNil = &take_nothing;
      made.freeObject = [](void*) {};
      return made;
    }();
    return all;
  }

  struct Free {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };

  asio::ip::tcp::socket socket_;
  std::unique_ptr<redisReader, Free> reader_;
  std::vector<char> in_ = std::vector<char>(512 * 1024);
  std::string filling_;
  std::string leaving_;
  bool writing_ = false;
  std::string channel_;
  std::string refused_;
};

}  // namespace bench
