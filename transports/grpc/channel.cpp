#include "transports/grpc/channel.hpp"

#include <mutex>
#include <thread>
#include <utility>

#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>

#include "transports/grpc/bytes.hpp"

namespace ferry::grpc {

std::shared_ptr<::grpc::Channel> make_channel(const ClientSettings& settings) {
  ::grpc::ChannelArguments arguments;
  for (const auto& [name, value] : settings.channel) {
    if (const int* number = std::get_if<int>(&value)) arguments.SetInt(name, *number);
    else arguments.SetString(name, std::get<std::string>(value));
  }
  if (!settings.credentials) {
    return ::grpc::CreateCustomChannel(settings.target, ::grpc::InsecureChannelCredentials(), arguments);
  }
  const Credentials& from = *settings.credentials;
  if (!from.server_name.empty()) arguments.SetSslTargetNameOverride(from.server_name);
  ::grpc::SslCredentialsOptions options;
  options.pem_root_certs = from.ca;
  options.pem_private_key = from.key;
  options.pem_cert_chain = from.cert;
  return ::grpc::CreateCustomChannel(settings.target, ::grpc::SslCredentials(options), arguments);
}

namespace {

/// gRPC ends the threads that run reactions with the last channel that has any, and joins them: where a reaction lets go of
/// that channel, a thread joins itself and goes on in what was freed (seen with 1.51). So one channel, which leads nowhere,
/// is never let go of.
void keep_reaction_threads() {
  struct Keeper {
    std::shared_ptr<::grpc::Channel> channel = ::grpc::CreateChannel("nowhere", nullptr);   // calls fail at once
    ::grpc::GenericStub stub{channel};
    ::grpc::ClientContext context;
    ::grpc::ByteBuffer request = make_buffer("");
    ::grpc::ByteBuffer response;
  };
  [[gnu::used]] static Keeper* const keeper = [] {   // where a leak checker sees that it is kept
    auto* const made = new Keeper;
    // Only a call takes hold of the threads.
    made->stub.UnaryCall(&made->context, "/", {}, &made->request, &made->response, [](const ::grpc::Status&) {});
    return made;
  }();
}

}  // namespace

// ---- StateWatch ------------------------------------------------------------------------------------------------------

struct StateWatch::State {
  ::grpc::CompletionQueue queue;
  std::thread thread;
};

StateWatch::StateWatch() : state_(std::make_unique<State>()) {
  keep_reaction_threads();
  state_->thread = std::thread([queue = &state_->queue] {
    void* tag = nullptr;
    bool ok = false;
    while (queue->Next(&tag, &ok)) {
      const std::unique_ptr<std::function<void()>> changed(static_cast<std::function<void()>*>(tag));
      (*changed)();
    }
  });
}

// Waits for what is still watched: who lets go of the watch has let go of his channel before.
StateWatch::~StateWatch() {
  state_->queue.Shutdown();
  state_->thread.join();
}

std::shared_ptr<StateWatch> StateWatch::instance() {
  static std::mutex mutex;
  static std::weak_ptr<StateWatch> current;
  const std::lock_guard lock(mutex);
  std::shared_ptr<StateWatch> watch = current.lock();
  if (!watch) current = watch = std::shared_ptr<StateWatch>(new StateWatch);
  return watch;
}

void StateWatch::wait(::grpc::Channel& channel, grpc_connectivity_state seen, std::chrono::system_clock::time_point deadline,
                      std::function<void()> changed) {
  channel.NotifyOnStateChange(seen, deadline, &state_->queue, new std::function<void()>(std::move(changed)));
}

}  // namespace ferry::grpc
