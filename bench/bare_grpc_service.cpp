// What gRPC C++ alone does: its callback API, with generated code.

#include <cstdio>
#include <numeric>

#include <grpcpp/server_builder.h>

#include "bench.grpc.pb.h"
#include "grpc_orders.hpp"
#include "load.hpp"

namespace {

double sum_of(const benchproto::Numbers& numbers) {
  return std::accumulate(numbers.numbers().begin(), numbers.numbers().end(), 0.0);
}

class Flow final : public grpc::ServerWriteReactor<benchproto::Total> {
 public:
  explicit Flow(double value) {
    total_.set_value(value);
    StartWrite(&total_);
  }

 private:
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    ++written_ < bench::flow ? StartWrite(&total_) : Finish(grpc::Status::OK);
  }
  void OnDone() override { delete this; }
  benchproto::Total total_;
  int written_ = 0;
};

class Service final : public benchproto::Bench::CallbackService {
  grpc::ServerUnaryReactor* Sum(grpc::CallbackServerContext* context, const benchproto::Numbers* in, benchproto::Total* out) override {
    out->set_value(sum_of(*in));
    auto* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const benchproto::Orders* in, benchproto::Orders* out) override {
    *out = *in;
    auto* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerWriteReactor<benchproto::Total>* Flow(grpc::CallbackServerContext*, const benchproto::Numbers* in) override {
    return new ::Flow(sum_of(*in));
  }
};

}  // namespace

int main(int argc, char** argv) {
  bench::Place place(argc, argv);
  Service service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(place.port), grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (!server) return 1;
  place.port = static_cast<std::uint16_t>(port);
  place.print_ready();
  server->Wait();
}
