// Writes the seeds of the fuzz targets: what the golden vectors and the config files of the tests hold, each piece as the
// targets take it. Usage: ferry_fuzz_seeds TESTS_DIR OUTPUT_DIR

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class Seeds {
 public:
  explicit Seeds(fs::path directory) : directory_(std::move(directory)) {}

  void add(std::initializer_list<const char*> targets, std::string_view content) {
    std::uint64_t hash = 14695981039346656037U;
    for (const char c : content) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    char name[17];
    std::snprintf(name, sizeof name, "%016llx", static_cast<unsigned long long>(hash));
    for (const char* target : targets) {
      fs::create_directories(directory_ / target);
      std::ofstream(directory_ / target / name, std::ios::binary) << content;
    }
  }

 private:
  fs::path directory_;
};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string bytes_of(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

/// An envelope as the binary serializers have it: the pattern is always text.
void add_binary(Seeds& seeds, json envelope) {
  if (envelope.is_object() && envelope.contains("pattern") && !envelope["pattern"].is_string()) {
    envelope["pattern"] = envelope["pattern"].dump();
  }
  for (const auto& [target, bytes] : {std::pair("msgpack", json::to_msgpack(envelope)), {"cbor", json::to_cbor(envelope)}}) {
    seeds.add({target}, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
}

/// A PUBLISH, as both versions of MQTT write it.
void add_publish(Seeds& seeds, const json& vector) {
  const auto topic = vector["topic"].get<std::string>();
  const auto payload = vector["payload"].get<std::string>();
  const int qos = vector.value("qos", 0);
  for (const std::string& properties : {std::string(), std::string(1, '\0'), std::string("\x0a\x26\0\3key\0\2va", 11)}) {
    std::string body = std::string(1, static_cast<char>(topic.size() >> 8U)) + static_cast<char>(topic.size()) + topic;
    if (qos != 0) body += std::string("\0\7", 2);
    body += properties + payload;
    std::string packet(1, static_cast<char>(0x30 + 2 * qos));
    for (std::size_t rest = body.size(); packet.size() == 1 || rest != 0; rest >>= 7U) {
      packet += static_cast<char>((rest & 0x7fU) | (rest > 0x7fU ? 0x80U : 0U));
    }
    seeds.add({"mqtt_packets"}, packet + body);
  }
}

std::string number(std::size_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(value >> static_cast<unsigned>(shift));
  return text;
}

std::string short_text(const std::string& text) { return number(text.size(), 1) + text; }
std::string long_text(const std::string& text) { return number(text.size(), 4) + text; }

/// A message as an AMQP broker delivers it: the method, the properties, the body.
void add_delivery(Seeds& seeds, const json& vector) {
  const auto frame = [](int type, const std::string& payload) {
    return number(static_cast<std::size_t>(type), 1) + number(1, 2) + long_text(payload) + '\xCE';
  };
  const json& given = vector["properties"];
  std::string headers;
  const json table = given.value("headers", json::object());
  for (const auto& [name, value] : table.items()) {
    headers += short_text(name) + 'S' + long_text(value.is_string() ? value.get<std::string>() : value.dump());
  }
  std::size_t flags = 0x2000;
  std::string properties = long_text(headers);
  const auto add_text = [&](const char* name, std::size_t flag) {
    if (!given.contains(name)) return;
    flags |= flag;
    properties += short_text(given[name].get<std::string>());
  };
  if (given.contains("deliveryMode")) flags |= 0x1000, properties += number(given["deliveryMode"].get<std::size_t>(), 1);
  if (given.contains("priority")) flags |= 0x800, properties += number(given["priority"].get<std::size_t>(), 1);
  add_text("correlationId", 0x400);
  add_text("replyTo", 0x200);
  const auto body = vector["body"].get<std::string>();
  const std::string method = number(60, 2) + number(60, 2) + short_text("consumer") + number(1, 8) + number(0, 1) +
                             short_text(vector["exchange"].get<std::string>()) + short_text(vector["routingKey"].get<std::string>());
  const std::string head = number(60, 2) + number(0, 2) + number(body.size(), 8) + number(flags, 2) + properties;
  seeds.add({"rmq_frames"}, frame(1, method) + frame(2, head) + frame(3, body));
}

/// Any text of a vector: frames, envelopes, values, patterns.
void add_text(Seeds& seeds, const std::string& text) {
  seeds.add({"utf8", "tcp_frames"}, text);
  const json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return seeds.add({"pattern"}, text.substr(0, 200));
  seeds.add({"json_differential", "json_values", "pattern"}, text);
  if (!value.is_object()) return;
  seeds.add({"json_request", "json_reply"}, text);
  add_binary(seeds, value);
}

void add_all(Seeds& seeds, const json& vector) {
  if (vector.is_object() && vector.contains("topic") && vector.contains("payload") && vector["payload"].is_string()) {
    add_publish(seeds, vector);
  }
  if (vector.is_object() && vector.contains("routingKey") && vector.contains("properties") && vector.contains("body")) {
    add_delivery(seeds, vector);
  }
  if (vector.is_string()) add_text(seeds, vector.get<std::string>());
  if (!vector.is_structured()) return;
  for (const auto& [key, member] : vector.items()) {
    if (key == "sendHex") {
      std::string all;
      for (const json& read : member) all += bytes_of(read.get<std::string>());
      seeds.add({"utf8", "tcp_frames"}, all);
    } else if (key == "frame") {
      const auto frame = member.get<std::string>();
      seeds.add({"utf8", "tcp_frames"}, frame);
      add_text(seeds, frame.substr(frame.find('#') + 1));
    } else if (key.find("ex") == key.npos && key != "about") {   // no hex, whose text is there too
      add_all(seeds, member);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s TESTS_DIR OUTPUT_DIR\n", argv[0]);
    return 64;
  }
  const fs::path tests = argv[1];
  Seeds seeds(argv[2]);
  for (const char* name : {"client-reply-handling", "enhancers", "json-text", "mqtt", "pattern-routes", "redis", "rmq",
                           "tcp-envelopes", "tcp-framing", "tcp-server-incoming"}) {
    add_all(seeds, json::parse(read(tests / "vectors" / (std::string(name) + ".json"))));
  }
  for (const fs::path& directory : {tests / "conformance", tests / "../examples/math"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
      if (entry.path().extension() == ".json") seeds.add({"config"}, read(entry.path()));
    }
  }
  return 0;
}
