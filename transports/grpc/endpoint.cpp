#include "transports/grpc/endpoint.hpp"

#include <utility>
#include <vector>

#include <grpc/grpc.h>
#include <grpcpp/server_builder.h>

#include "transports/grpc/built_in_call.hpp"
#include "transports/grpc/call.hpp"
#include "transports/grpc/event_stream.hpp"

namespace ferry::grpc {
namespace {

/// A call that ends as it begins.
class Refusal final : public ::grpc::ServerGenericBidiReactor {
 public:
  explicit Refusal(const CallStatus& status) {
    Finish(::grpc::Status(static_cast<::grpc::StatusCode>(status.code), status.details));
  }

 private:
  void OnDone() override { delete this; }
};

std::shared_ptr<::grpc::ServerCredentials> make_credentials(const ServerSettings& settings) {
  if (!settings.credentials) return ::grpc::InsecureServerCredentials();
  const Credentials& from = *settings.credentials;
  ::grpc::SslServerCredentialsOptions options(
      !from.request_cert          ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
      : from.reject_unauthorized ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                 : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  options.pem_root_certs = from.ca;
  options.pem_key_cert_pairs.push_back({from.key, from.cert});
  return ::grpc::SslServerCredentials(options);
}

}  // namespace

Endpoint::~Endpoint() {
  if (server_ && !ending_.joinable()) server_->Shutdown(std::chrono::system_clock::now());
  if (ending_.joinable()) ending_.join();
}

std::optional<Failure> Endpoint::open() {
  const ServerSettings& settings = service_->settings();
  ::grpc::ServerBuilder builder;
  for (const auto& [name, value] : settings.channel) {
    std::visit([&builder, &name = name](const auto& v) { builder.AddChannelArgument(name, v); }, value);
  }
  const auto credentials = make_credentials(settings);
  std::vector<int> ports(settings.urls.size(), 0);
  for (std::size_t i = 0; i < ports.size(); ++i) builder.AddListeningPort(settings.urls[i], credentials, &ports[i]);
  for (const ServerMethod* method : paths_->unary()) unary_.add(*method);
  builder.RegisterService(&unary_);
  builder.RegisterCallbackGenericService(this);
  server_ = builder.BuildAndStart();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const std::string& url = settings.urls[i];
    if (!server_ || ports[i] == 0) {
      return Failure(errc::not_connected, "cannot listen on " + url + ": the address is in use, is not of this machine, or the "
                     "credentials do not serve; gRPC's own words are on standard error", Fate::not_sent);
    }
    const std::string port = std::to_string(ports[i]);
    const bool any = url.ends_with(":0");
    address_ += (address_.empty() ? "" : ",") + (any ? url.substr(0, url.size() - 1) + port : url);
  }
  return std::nullopt;
}

void Endpoint::shut_down(std::function<void()> done) {
  ending_ = std::thread([this, done = std::move(done)] {
    server_->Shutdown(std::chrono::system_clock::time_point::max());
    done();
  });
}

/// Each hears of it as if its caller was gone. This reaches those, too, that wait for nothing but a caller who does not read.
void Endpoint::cancel_calls() { grpc_server_cancel_all_calls(server_->c_server()); }

::grpc::ServerGenericBidiReactor* Endpoint::CreateReactor(::grpc::GenericCallbackServerContext* context) {
  const std::string& path = context->method();
  if (const ServerMethod* events = paths_->events(path)) return EventStream::start(service_, *events, *context);
  if (const auto found = built_ins_.find(path); found != built_ins_.end()) {
    return new BuiltInCall(service_, found->second);
  }
  CallStatus refusal;
  if (const ServerMethod* method = paths_->find(path, refusal)) return Call::start(service_, *method, *context);
  return new Refusal(refusal);
}

}  // namespace ferry::grpc
