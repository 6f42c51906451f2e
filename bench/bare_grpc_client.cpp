// What gRPC C++ alone does: its callback API, with generated code. Each call that ends begins the next.

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <grpcpp/create_channel.h>

#include "bench.grpc.pb.h"
#include "grpc_orders.hpp"
#include "load.hpp"

namespace {

/// The window, for gRPC's threads.
class Shared {
 public:
  explicit Shared(const bench::Job& job) : window_(job), running_(job.in_flight) {}

  bool completed(bool right) {
    const std::lock_guard lock(mutex_);
    wrong_ |= !right;
    return window_.completed();
  }
  void ended() {
    const std::lock_guard lock(mutex_);
    if (--running_ == 0) all_ended_.notify_one();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    all_ended_.wait(lock, [this] { return running_ == 0; });
    window_.print();
    return !wrong_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_ended_;
  bench::Window window_;
  std::size_t running_;
  bool wrong_ = false;
};

/// One unary call after the other.
template <class Request, class Reply, class Start, class Check>
class Calls {
 public:
  Calls(Shared& shared, Request request, Start start, Check check)
      : shared_(shared), request_(std::move(request)), start_(start), check_(check) {}

  void next() {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));   // ferry's calls have one, too
    start_(context_.get(), &request_, &reply_, [this](const grpc::Status& status) {
      shared_.completed(status.ok() && check_(request_, reply_)) ? next() : shared_.ended();
    });
  }

 private:
  Shared& shared_;
  const Request request_;
  const Start start_;
  const Check check_;
  Reply reply_;
  std::unique_ptr<grpc::ClientContext> context_;
};

/// One stream.
class Flow final : public grpc::ClientReadReactor<benchproto::Total> {
 public:
  static void start(Shared& shared, benchproto::Bench::Stub& stub) { new Flow(shared, stub); }

 private:
  Flow(Shared& shared, benchproto::Bench::Stub& stub) : shared_(shared), stub_(stub), request_(bench::numbers()) {
    stub.async()->Flow(&context_, &request_, this);
    StartRead(&total_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    if (!shared_.completed(total_.value() == 6)) {
      over_ = true;
      context_.TryCancel();
    }
    StartRead(&total_);
  }
  void OnDone(const grpc::Status&) override {
    over_ ? shared_.ended() : start(shared_, stub_);
    delete this;
  }

  Shared& shared_;
  benchproto::Bench::Stub& stub_;
  const benchproto::Numbers request_;
  grpc::ClientContext context_;
  benchproto::Total total_;
  bool over_ = false;
};

/// So many at once.
template <class Request, class Reply, class Start, class Check>
bool run(const bench::Job& job, const Request& request, Start start, Check check) {
  Shared shared(job);
  using Chain = Calls<Request, Reply, Start, Check>;
  std::vector<std::unique_ptr<Chain>> chains;
  for (std::size_t i = 0; i < job.in_flight; ++i) chains.push_back(std::make_unique<Chain>(shared, request, start, check));
  for (const auto& chain : chains) chain->next();
  return shared.wait();
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Job job = bench::Job::from_command_line(argc, argv);
  const auto stub = benchproto::Bench::NewStub(
      grpc::CreateChannel("127.0.0.1:" + std::to_string(job.port), grpc::InsecureChannelCredentials()));
  bool right = false;
  if (job.name == "sum") {
    const auto start = [&](auto* context, auto* in, auto* out, auto done) { stub->async()->Sum(context, in, out, std::move(done)); };
    right = run<benchproto::Numbers, benchproto::Total>(job, bench::numbers(), start,
                                              [](const auto&, const auto& total) { return total.value() == 6; });
  } else if (job.name == "echo") {
    const auto start = [&](auto* context, auto* in, auto* out, auto done) { stub->async()->Echo(context, in, out, std::move(done)); };
    right = run<benchproto::Orders, benchproto::Orders>(job, bench::orders(job.payload), start,
                                              [](const auto& in, const auto& out) { return in.orders_size() == out.orders_size(); });
  } else {
    Shared shared(job);
    for (std::size_t i = 0; i < job.in_flight; ++i) Flow::start(shared, *stub);
    right = shared.wait();
  }
  std::fflush(stdout);
  std::_Exit(right ? 0 : 1);
}
