#pragma once
// Paho's C library in the way of its examples that is quickest for many messages: MQTTAsync, publishing from its callback.

#include <cstdint>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <MQTTAsync.h>

namespace bench {

/// One connection. Its callbacks run on a thread of the library's.
class MqttLink {
 public:
  MqttLink(std::uint16_t port, const std::string& id) {
    MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer;
    options.maxBufferedMessages = 1'000'000;
    const std::string url = "tcp://127.0.0.1:" + std::to_string(port);
    check(MQTTAsync_createWithOptions(&handle_, url.c_str(), id.c_str(), MQTTCLIENT_PERSISTENCE_NONE, nullptr, &options));
    check(MQTTAsync_setCallbacks(handle_, this, nullptr, &take, nullptr));
  }
  ~MqttLink() { MQTTAsync_destroy(&handle_); }
  MqttLink(const MqttLink&) = delete;
  MqttLink& operator=(const MqttLink&) = delete;

  std::function<void(std::string_view topic, std::string_view payload)> on_message;
  std::function<void()> on_sent;   ///< a message was written to the socket

  void connect() {
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    options.keepAliveInterval = 0;
    wait(options, [&] { return MQTTAsync_connect(handle_, &options); });
  }
  void subscribe(const std::vector<std::string>& topics) {
    for (const std::string& topic : topics) {
      MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
      wait(options, [&] { return MQTTAsync_subscribe(handle_, topic.c_str(), 0, &options); });
    }
  }
  void publish(const std::string& topic, std::string_view payload, bool tell = false) {
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = this;
    if (tell) options.onSuccess = [](void* self, MQTTAsync_successData*) { static_cast<MqttLink*>(self)->on_sent(); };
    check(MQTTAsync_send(handle_, topic.c_str(), static_cast<int>(payload.size()), payload.data(), 0, 0, &options));
  }

 private:
  static void check(int code) {
    if (code != MQTTASYNC_SUCCESS) throw std::runtime_error("Paho: error " + std::to_string(code));
  }
  template <class Options, class F>
  static void wait(Options& options, F start) {
    std::promise<bool> done;
    options.context = &done;
    options.onSuccess = [](void* to, MQTTAsync_successData*) { static_cast<std::promise<bool>*>(to)->set_value(true); };
    options.onFailure = [](void* to, MQTTAsync_failureData*) { static_cast<std::promise<bool>*>(to)->set_value(false); };
    check(start());
    if (!done.get_future().get()) throw std::runtime_error("Paho: refused");
  }
  static int take(void* self, char* topic, int, MQTTAsync_message* message) {
    static_cast<MqttLink*>(self)->on_message(topic, {static_cast<const char*>(message->payload), static_cast<std::size_t>(message->payloadlen)});
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
  }

  MQTTAsync handle_ = nullptr;
};

}  // namespace bench
