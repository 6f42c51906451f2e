#include "transports/kafka/handle.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <asio/steady_timer.hpp>

#include "transports/kafka/conf.hpp"
#include "transports/kafka/error.hpp"

namespace ferry::kafka {

bool succeeded(rd_kafka_error_t* error, std::string_view what, Failure& failure) {
  if (error == nullptr) return true;
  failure = driver_failure(rd_kafka_error_code(error), what, Fate::not_sent, rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  return false;
}

// --- Waker ----------------------------------------------------------------------------------------------------------

class Waker : public std::enable_shared_from_this<Waker> {
 public:
  explicit Waker(const spi::Loop& loop) : loop_(&loop) {}

  void open(std::function<void()> wake) {
    const std::lock_guard lock(mutex_);
    wake_ = std::make_shared<std::function<void()>>(std::move(wake));
  }

  void shut() noexcept {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
    wake_ = nullptr;
  }

  /// On the driver's threads, and on the loop.
  void poke() {
    if (posted_.exchange(true, std::memory_order_acq_rel)) return;
    const std::lock_guard lock(mutex_);
    if (loop_ != nullptr) loop_->post([self = shared_from_this()] { self->run(); });
  }

  static void on_event(rd_kafka_t*, void* self) { static_cast<Waker*>(self)->poke(); }

 private:
  void run() {
    posted_.store(false, std::memory_order_release);
    std::shared_ptr<std::function<void()>> wake;   // it may shut us
    {
      const std::lock_guard lock(mutex_);
      wake = wake_;
    }
    if (wake) (*wake)();
  }

  std::mutex mutex_;
  const spi::Loop* loop_;
  std::shared_ptr<std::function<void()>> wake_;
  std::atomic<bool> posted_{false};
};

// --- Farewell -------------------------------------------------------------------------------------------------------

class Farewell : public std::enable_shared_from_this<Farewell> {
 public:
  Farewell(const spi::Loop& loop, std::size_t handles, std::function<void()> done)
      : loop_(loop), left_(handles), done_(std::move(done)) {}

  static void start(std::vector<std::shared_ptr<Handle>> handles, const spi::Loop& loop, std::chrono::milliseconds limit,
                    std::function<void()> done) {
    const auto self = std::make_shared<Farewell>(loop, handles.size(), std::move(done));
    self->timer_.emplace(loop.executor(), limit);
    self->timer_->async_wait([self](std::error_code error) {
      if (!error) self->over();
    });
    for (auto& handle : handles) {
      handle->farewell_ = self;
      handle.reset();
    }
    if (handles.empty()) loop.post([self] { self->over(); });
  }

  /// On the thread that ended an instance. While `done` was not called, the loop is there.
  void gone() {
    const std::lock_guard lock(mutex_);
    if (--left_ == 0 && !over_) loop_.post([self = shared_from_this()] { self->over(); });
  }

 private:
  void over() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(over_, true)) return;
    }
    timer_.reset();
    std::exchange(done_, nullptr)();
  }

  const spi::Loop& loop_;
  std::mutex mutex_;
  std::size_t left_;
  bool over_ = false;
  std::function<void()> done_;
  std::optional<asio::steady_timer> timer_;
};

void end_handles(std::vector<std::shared_ptr<Handle>> handles, const spi::Loop& loop, std::chrono::milliseconds limit,
                 std::function<void()> done) {
  std::erase(handles, nullptr);
  Farewell::start(std::move(handles), loop, limit, std::move(done));
}

// --- Handle ---------------------------------------------------------------------------------------------------------

Handle::Handle(rd_kafka_t* instance, std::shared_ptr<Waker> waker) noexcept
    : instance_(instance), waker_(std::move(waker)) {}

std::shared_ptr<Handle> Handle::make(rd_kafka_type_t type, const Properties& properties, int events, const spi::Loop& loop,
                                     Failure& failure) {
  try {
    ConfPtr conf = make_conf(properties);
    rd_kafka_conf_set_events(conf.get(), events | RD_KAFKA_EVENT_ERROR);
    std::array<char, 512> why{};
    rd_kafka_t* const instance = rd_kafka_new(type, conf.get(), why.data(), why.size());
    if (instance == nullptr) throw std::runtime_error(why.data());
    static_cast<void>(conf.release());   // the instance's now
    std::shared_ptr<Handle> handle(new Handle(instance, std::make_shared<Waker>(loop)));
    if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(instance);
    handle->events_.reset(type == RD_KAFKA_CONSUMER ? rd_kafka_queue_get_consumer(instance) : rd_kafka_queue_get_main(instance));
    return handle;
  } catch (const std::runtime_error& error) {
    failure = Failure(errc::bad_config, std::string("librdkafka refuses its configuration: ") + error.what(), Fate::not_sent);
    return nullptr;
  }
}

Handle::~Handle() {
  shut();
  // The waker goes after the instance, whose queues still know it.
  const auto end = std::make_shared<std::function<void()>>();
  *end = [instance = instance_, events = std::shared_ptr<rd_kafka_queue_t>(std::move(events_)), waker = std::move(waker_),
          farewell = std::move(farewell_)]() mutable {
    events.reset();
    rd_kafka_destroy_flags(instance, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    if (farewell) farewell->gone();
  };
  try {
    std::thread([end] { (*end)(); }).detach();
  } catch (const std::system_error&) {   // no more threads: it takes its time here
    (*end)();
  }
}

void Handle::open(std::function<void()> wake) {
  waker_->open(std::move(wake));
  rd_kafka_queue_cb_event_enable(events_.get(), &Waker::on_event, waker_.get());
  waker_->poke();   // what was there before
}

std::shared_ptr<Bell> Handle::watch(rd_kafka_queue_t* queue) const {
  const auto bell = std::make_shared<Bell>();
  bell->waker_ = waker_;
  rd_kafka_queue_cb_event_enable(queue, [](rd_kafka_t*, void* self) {
    static_cast<Bell*>(self)->ring();
    static_cast<Bell*>(self)->waker_->poke();
  }, bell.get());
  waker_->poke();
  return bell;
}

void Handle::unwatch(rd_kafka_queue_t* queue) { rd_kafka_queue_cb_event_enable(queue, nullptr, nullptr); }

void Handle::wake_again() const { waker_->poke(); }

void Handle::shut() noexcept {
  if (waker_) waker_->shut();
}

}  // namespace ferry::kafka
