#include <set>

#include "transports/grpc/built_in.hpp"
#include "transports/grpc/wire.hpp"

namespace ferry::grpc {
namespace {

namespace request_field {
constexpr std::uint32_t host = 1, file = 3, symbol = 4, list = 7;
}
namespace response_field {
constexpr std::uint32_t host = 1, request = 2, files = 4, services = 6, error = 7;
}

std::string error(Code code, std::string_view text) {
  std::string out;
  wire::append_number(out, 1, static_cast<std::uint64_t>(code));
  wire::append_bytes(out, 2, text);
  return out;
}

void append_services(const Protos& protos, std::string& out) {
  std::set<std::string> names;
  for (const Rpc& rpc : protos.rpcs()) names.insert(rpc.service);
  std::string list;
  for (const std::string& name : names) {
    std::string service;
    wire::append_bytes(service, 1, name);
    wire::append_bytes(list, 1, service);
  }
  wire::append_bytes(out, response_field::services, list);
}

void append_files(const std::vector<std::string>& files, std::string_view wanted, std::string& out) {
  if (files.empty()) {
    wire::append_bytes(out, response_field::error, error(Code::not_found, std::string(wanted) + " is not there"));
    return;
  }
  std::string list;
  for (const std::string& file : files) wire::append_bytes(list, 1, file);
  wire::append_bytes(out, response_field::files, list);
}

BuiltInReply answer(const Protos& protos, std::string_view body) {
  BuiltInReply reply;
  wire::Reader reader(body);
  std::string_view host;
  std::string result;
  while (reader.next()) {
    std::string_view text;
    if (reader.type() != wire::Type::length) {
      reader.skip();
      continue;
    }
    if (!reader.bytes(text)) break;
    if (reader.number() == request_field::host) {
      host = text;
      continue;
    }
    result.clear();   // of a oneof, the last
    if (reader.number() == request_field::file) append_files(protos.file(text), text, result);
    else if (reader.number() == request_field::symbol) append_files(protos.file_with(text), text, result);
    else if (reader.number() == request_field::list) append_services(protos, result);
    else wire::append_bytes(result, response_field::error, error(Code::unimplemented, "extensions are not told"));
  }
  if (reader.failed()) {
    reply.status = {static_cast<int>(Code::internal), "it is no ServerReflectionRequest"};
    return reply;
  }
  if (result.empty()) wire::append_bytes(result, response_field::error, error(Code::invalid_argument, "nothing is asked for"));
  wire::append_bytes(reply.message, response_field::host, host);
  wire::append_bytes(reply.message, response_field::request, body);
  reply.message += result;
  reply.has_message = true;
  reply.after = BuiltInReply::After::read_on;
  return reply;
}

}  // namespace

void add_reflection(std::shared_ptr<const Protos> protos, BuiltIns& out) {
  const BuiltIn built_in = [protos](std::string_view body) { return answer(*protos, body); };
  out["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"] = built_in;
  out["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] = built_in;
}

}  // namespace ferry::grpc
