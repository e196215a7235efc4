// Links over stream sockets, whatever their addresses look like and whether or not they are encrypted: the
// part that asio_tcp.hpp, asio_unix.hpp and asio_tls.hpp share. What differs comes in as a Family.
#pragma once

#include <replikv/core/error.hpp>
#include <replikv/transport/detail/context.hpp>
#include <replikv/transport/detail/one_shot.hpp>
#include <replikv/transport/detail/unsent_bytes.hpp>
#include <replikv/transport/transport.hpp>

#include <asio/basic_socket_acceptor.hpp>
#include <asio/basic_stream_socket.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/socket_base.hpp>
#include <asio/strand.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <unordered_set>
#include <utility>
#include <vector>

namespace replikv::inline v0_1::detail {

using AsioStrand = asio::strand<asio::io_context::executor_type>;
using AsioTimer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                             asio::wait_traits<std::chrono::steady_clock>, AsioStrand>;

/// Our own words for what has a meaning to a node; all else as the system says it.
[[nodiscard]] inline std::error_code from_asio(std::error_code error) {
  if (error == asio::error::eof) return Errc::link_closed;
  if (error == asio::error::operation_aborted) return Errc::shut_down;
  if (error == asio::error::connection_refused) return Errc::refused;
  if (error == asio::error::address_in_use) return Errc::address_in_use;
  const bool is_systems = error.category() == asio::error::get_system_category();  // a category of its own
  return is_systems ? std::error_code(error.value(), std::system_category()) : error;
}

class AsioContext;

/// What a family of addresses brings along.
template <class F>
concept AsioFamily = requires(std::string_view address, std::error_code& error,
                              typename F::Endpoint& endpoint, typename F::Socket& socket,
                              typename F::Acceptor& acceptor, const typename F::Claim& claim,
                              const typename F::Settings& settings, const typename F::Target& target,
                              std::shared_ptr<AsioContext> context, typename F::Stream& stream) {
  // Endpoints when the address says them itself; else what to look up; or an error.
  { F::parse(address, error) } -> std::same_as<typename F::Target>;
  { F::resolve(typename F::Target{}, error) } -> std::same_as<std::vector<typename F::Endpoint>>;
  // Opens, binds and listens. A claim is what listening leaves behind, for release().
  { F::listen(acceptor, endpoint, error) } -> std::same_as<typename F::Claim>;
  F::release(claim);
  { F::text(endpoint) } -> std::same_as<std::string>;
  F::tune(socket);
  { F::peer(socket) } -> std::same_as<std::string>;
  { F::peer_endpoint(socket) } -> std::same_as<std::string>;
  { F::local_endpoint(socket) } -> std::same_as<std::string>;
  { F::is_connected(socket) } -> std::same_as<bool>;
  { F::connect_error(error) } -> std::same_as<std::error_code>;
  // What a link reads from and writes to, made of a connected socket; ClearText says it all.
  { F::incoming(settings, context, std::move(socket)) } -> std::same_as<typename F::Stream>;
  { F::outgoing(settings, context, std::move(socket), target, endpoint) } -> std::same_as<typename F::Stream>;
  { F::why_not_listen(settings) } -> std::same_as<std::error_code>;
  F::finish(stream, error);
  { F::stream_enters_context } -> std::convertible_to<bool>;
};

/// The part of a family whose bytes travel as they are: a link's stream is its socket.
template <class SocketType>
struct ClearText {
  using Socket = SocketType;
  using Stream = SocketType;
  struct Settings {};

  /// Whether handlers given to the stream are called in the context; else they enter it themselves.
  static constexpr bool stream_enters_context = false;

  [[nodiscard]] static Stream incoming(const Settings&, const std::shared_ptr<AsioContext>&, Socket socket) {
    return socket;
  }
  template <class Target, class Endpoint>
  [[nodiscard]] static Stream outgoing(const Settings&, const std::shared_ptr<AsioContext>&, Socket socket,
                                       const Target&, const Endpoint&) {
    return socket;
  }
  [[nodiscard]] static std::error_code why_not_listen(const Settings&) noexcept { return {}; }

  /// Tells the peer that nothing more will come, after all that was written.
  static void finish(Stream& stream, std::error_code& error) {
    stream.shutdown(asio::socket_base::shutdown_send, error);
  }
};

/// Something that has a place in the io_context, and must leave it when the engine shuts down.
class AsioPart {
 public:
  virtual ~AsioPart() = default;
  /// In the context, once, at shutdown.
  virtual void end() = 0;
};

/// The context of an Asio transport: a strand, and a lock that makes shutting down possible from a thread
/// which does not run the io_context.
///
/// Every handler runs on the strand *and* in the context. The strand gives the order and keeps threads of
/// the application from waiting for each other; the context lets `shut_down` come in between.
class AsioContext : public std::enable_shared_from_this<AsioContext> {
 public:
  using Task = Context::Task;

  explicit AsioContext(asio::io_context& io) : strand_(io.get_executor()) {}
  explicit AsioContext(std::shared_ptr<asio::io_context> own)
      : own_io_(std::move(own)), strand_(own_io_->get_executor()) {}

  void start_thread() {
    work_.emplace(own_io_->get_executor());
    thread_ = std::thread([io = own_io_] { io->run(); });
  }

  void post(Task task) {
    if (!context_.post(task)) return;
    const std::lock_guard lock(mutex_);
    if (!strand_) return;  // shutting down, which runs what is left
    asio::post(*strand_, [self = shared_from_this()] { self->enter([&] { self->context_.run_batch(); }); });
  }

  /// Runs `call()` in the context, unless all has ended. For handlers.
  template <class Call>
  void enter(Call&& call) {
    const std::lock_guard turn(context_);
    if (!is_ended_) call();
  }

  [[nodiscard]] bool is_stopping() const noexcept { return context_.is_stopping(); }

  /// Makes a part, which holds a place in the io_context from now on; nullptr when shutting down.
  template <class Part, class... Args>
  [[nodiscard]] std::shared_ptr<Part> add(Args&&... args) {
    const std::lock_guard lock(mutex_);
    if (!strand_ || context_.is_stopping()) return nullptr;
    auto part = std::make_shared<Part>(*strand_, std::forward<Args>(args)...);
    parts_.insert(part);
    return part;
  }

  void remove(const std::shared_ptr<AsioPart>& part) {
    const std::lock_guard lock(mutex_);
    parts_.erase(part);
  }

  void shut_down() {
    if (!context_.stop()) return;
    if (context_.is_current()) {
      post([self = shared_from_this()] { self->end_everything(); });
      if (thread_.joinable()) thread_.detach();
      return;
    }
    {
      const std::lock_guard turn(context_);
      while (context_.run_next()) {
      }
      end_everything();
    }
    if (!thread_.joinable()) return;
    own_io_->stop();
    thread_.join();
    own_io_.reset();
  }

 private:
  void end_everything() {
    auto parts = [this] {
      const std::lock_guard lock(mutex_);
      strand_.reset();
      return std::exchange(parts_, {});
    }();
    for (const auto& part : parts) part->end();
    while (context_.run_next()) {
    }
    is_ended_ = true;
    work_.reset();
  }

  Context context_;
  bool is_ended_ = false;  // the context's
  std::shared_ptr<asio::io_context> own_io_;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_;
  std::thread thread_;

  std::mutex mutex_;
  std::optional<AsioStrand> strand_;  // none: nothing may touch the io_context any more
  std::unordered_set<std::shared_ptr<AsioPart>> parts_;
};

/// A timer that any thread may cancel.
class AsioAlarm final : public AsioPart, public std::enable_shared_from_this<AsioAlarm> {
 public:
  AsioAlarm(const AsioStrand& strand, std::shared_ptr<AsioContext> context, Context::Task task)
      : context_(std::move(context)), timer_(std::in_place, strand), task_(std::move(task)) {}

  void start(TimePoint when) {
    const std::lock_guard lock(mutex_);
    if (!timer_) return;
    timer_->expires_at(when);
    timer_->async_wait([self = shared_from_this()](std::error_code error) {
      if (!error) self->context_->enter([&] { self->fire(); });
    });
  }

  void cancel() {
    end();
    context_->remove(shared_from_this());
  }

  void end() override {
    const auto cancelled = task_.take();
    const std::lock_guard lock(mutex_);
    timer_.reset();
  }

 private:
  void fire() {
    const auto task = task_.take();
    cancel();
    if (task) task();
  }

  std::shared_ptr<AsioContext> context_;
  std::mutex mutex_;
  std::optional<AsioTimer> timer_;
  OneShot<Context::Task> task_;
};

/// One end of a link over a socket.
///
/// Thread safety  close, unsent_bytes, addresses: any thread; the rest in the context
template <AsioFamily Family>
class AsioLink final : public AsioPart, public Link, public std::enable_shared_from_this<AsioLink<Family>> {
 public:
  using Socket = typename Family::Socket;
  using Stream = typename Family::Stream;

  /// `make_stream(socket)` makes the stream of it.
  template <class MakeStream>
  AsioLink(const AsioStrand& strand, std::shared_ptr<AsioContext> context, Socket socket,
           const MakeStream& make_stream)
      : context_(std::move(context)),
        linger_(std::in_place, strand),
        peer_(Family::peer(socket)),
        peer_endpoint_(Family::peer_endpoint(socket)),
        local_endpoint_(Family::local_endpoint(socket)) {
    Family::tune(socket);
    stream_.emplace(make_stream(std::move(socket)));
  }

  /// In the context, before all else: agrees with the peer on what there is to agree on, then calls
  /// `done(error)` in the context, unless the link has ended by itself. With nothing to agree on, at once.
  template <class Done>
  void shake_hands(Done done) {
    if constexpr (requires(Stream & stream) { stream.async_handshake([](std::error_code) {}); }) {
      stream_->async_handshake([self = this->shared_from_this(), done](std::error_code error) {
        if (self->stream_) done(error);
      });
    } else {
      done(std::error_code());
    }
  }

  /// What users hold: letting go of it closes the link.
  [[nodiscard]] std::shared_ptr<Link> handle() {
    return std::shared_ptr<Link>(this, [self = this->shared_from_this()](Link*) { self->close(); });
  }

  void start(std::weak_ptr<LinkEvents> events) override {
    assert(!is_reading_);
    events_ = std::move(events);
    if (stream_ && !is_closed_) read();
  }

  void send(std::span<const SharedBytes> buffers) override {
    if (!stream_ || is_closed_ || broken_) return;
    for (const SharedBytes& buffer : buffers) {
      if (buffer.empty()) continue;
      unsent_.add(buffer.size());
      output_.push_back(buffer);
    }
    write();
  }

  [[nodiscard]] std::size_t unsent_bytes() const noexcept override { return unsent_.get(); }

  void close() noexcept override {
    if (is_closed_.exchange(true)) return;
    context_->post([self = this->shared_from_this()] { self->wind_down(); });
  }

  [[nodiscard]] std::string peer_address() const override { return peer_; }
  [[nodiscard]] std::string peer_endpoint() const override { return peer_endpoint_; }
  [[nodiscard]] std::string local_endpoint() const override { return local_endpoint_; }

  void end() override {
    const bool was_open = !is_closed_.exchange(true);
    leave();
    if (!was_open) return;
    if (const auto events = events_.lock()) events->on_closed(Errc::shut_down);
  }

 private:
  static constexpr std::size_t read_bytes_max = std::size_t{256} << 10;
  static constexpr std::size_t write_buffers_max = 64;  // as many as Asio passes to one system call
  static constexpr Duration linger_max = std::chrono::seconds{1};

  template <class Call>
  auto handler(Call call) {
    return [self = this->shared_from_this(), call](std::error_code error, std::size_t bytes) {
      if constexpr (Family::stream_enters_context) {
        call(*self, error, bytes);
      } else {
        self->context_->enter([&] { call(*self, error, bytes); });
      }
    };
  }

  void read() {
    if (input_ == nullptr) input_ = std::make_unique_for_overwrite<std::byte[]>(read_bytes_max);
    is_reading_ = true;
    stream_->async_read_some(asio::buffer(input_.get(), read_bytes_max),
                             handler([](AsioLink& link, std::error_code error, std::size_t bytes) {
                               link.has_read(error, bytes);
                             }));
  }

  void has_read(std::error_code error, std::size_t bytes) {
    if (!stream_) return;
    if (error) return lose(error);
    if (!is_closed_) {  // else it is thrown away, see wind_down()
      if (const auto events = events_.lock()) {
        events->on_bytes({input_.get(), bytes});
      } else {
        close();
      }
    }
    if (stream_) read();
  }

  void write() {
    if (is_writing_ || output_.empty()) return;
    const std::size_t count = std::min(output_.size(), write_buffers_max);
    for (std::size_t i = 0; i != count; ++i) {
      const Bytes bytes = output_[i].bytes();
      gathered_[i] = asio::const_buffer(bytes.data(), bytes.size());
    }
    is_writing_ = true;
    stream_->async_write_some(std::span<const asio::const_buffer>(gathered_.data(), count),
                              handler([](AsioLink& link, std::error_code error, std::size_t bytes) {
                                link.has_written(error, bytes);
                              }));
  }

  void has_written(std::error_code error, std::size_t bytes) {
    is_writing_ = false;
    if (!stream_) return output_.clear();
    if (error) return break_output(error);
    const bool is_writable = unsent_.remove(bytes);
    drop_sent(bytes);
    write();
    if (is_closed_) {
      if (output_.empty()) finish_output();
    } else if (is_writable) {
      if (const auto events = events_.lock()) events->on_writable();
    }
  }

  void drop_sent(std::size_t bytes) noexcept {
    while (bytes != 0) {
      SharedBytes& front = output_.front();
      const std::size_t size = std::min(bytes, front.size());
      front.consume(size);
      bytes -= size;
      if (front.empty()) output_.pop_front();
    }
  }

  // The peer may have said why it left: what it sent is read to the end before the link is lost.
  void break_output(std::error_code error) {
    broken_ = error;
    output_.clear();
    unsent_.clear();
    if (is_closed_) leave();
  }

  // After close(): what is queued goes out, then the peer is told, then we wait for it to leave, since a
  // socket that is closed with unread input would take what it has just sent back. All in linger_max.
  void wind_down() {
    if (!stream_) return;
    linger_->expires_after(linger_max);
    linger_->async_wait([self = this->shared_from_this()](std::error_code error) {
      if (!error) self->context_->enter([&] { self->leave(); });
    });
    if (broken_) return leave();
    if (output_.empty()) finish_output();
    if (stream_ && !is_reading_) read();
  }

  void finish_output() {
    std::error_code error;
    Family::finish(*stream_, error);
    if (error) leave();
  }

  void lose(std::error_code error) {
    const bool was_open = !is_closed_.exchange(true);
    leave();
    if (!was_open) return;
    const std::error_code why = error == asio::error::eof && broken_ ? broken_ : error;
    if (const auto events = events_.lock()) events->on_closed(from_asio(why));
  }

  void leave() {
    if (!stream_) return;
    stream_.reset();
    linger_.reset();
    if (!is_writing_) output_.clear();
    unsent_.clear();
    context_->remove(this->shared_from_this());
  }

  std::shared_ptr<AsioContext> context_;
  std::optional<Stream> stream_;  // none: the link is gone
  std::optional<AsioTimer> linger_;
  std::string peer_;
  std::string peer_endpoint_;
  std::string local_endpoint_;
  std::weak_ptr<LinkEvents> events_;
  std::unique_ptr<std::byte[]> input_;
  std::deque<SharedBytes> output_;
  std::array<asio::const_buffer, write_buffers_max> gathered_;
  UnsentBytes unsent_;
  std::error_code broken_;               // why nothing can be written any more
  std::atomic<bool> is_closed_ = false;  // hears nothing more and sends nothing more
  bool is_reading_ = false;
  bool is_writing_ = false;
};

/// Accepts links until it is cancelled, by any thread; the address is free again when `cancel` returns.
template <AsioFamily Family>
class AsioListener final : public AsioPart, public std::enable_shared_from_this<AsioListener<Family>> {
 public:
  using Endpoint = typename Family::Endpoint;
  using Socket = typename Family::Socket;

  AsioListener(const AsioStrand& strand, std::shared_ptr<AsioContext> context,
               typename Family::Settings settings, AcceptHandler on_link)
      : context_(std::move(context)),
        settings_(std::move(settings)),
        acceptor_(std::in_place, strand),
        pause_(std::in_place, strand),
        on_link_(std::make_shared<const AcceptHandler>(std::move(on_link))) {}

  /// Tries the endpoints in turn.
  void open(std::vector<Endpoint> endpoints, std::string& bound, std::error_code& error) {
    const std::lock_guard lock(mutex_);
    if (!acceptor_) return void(error = Errc::shut_down);
    for (Endpoint& endpoint : endpoints) {
      claim_ = Family::listen(*acceptor_, endpoint, error);
      if (!error) break;
      std::error_code ignored;
      acceptor_->close(ignored);
    }
    if (error) return void(error = from_asio(error));
    bound = Family::text(acceptor_->local_endpoint(error));
    accept();
  }

  void cancel() {
    end();
    context_->remove(this->shared_from_this());
    if constexpr (!std::is_same_v<typename Family::Stream, typename Family::Socket>) {
      context_->post([self = this->shared_from_this()] {
        for (const auto& link : std::exchange(self->greeted_, {})) link->end();
      });
    }
  }

  void end() override {
    std::shared_ptr<const AcceptHandler> on_link;  // destroyed after the lock
    const std::lock_guard lock(mutex_);
    if (!acceptor_) return;
    on_link.swap(on_link_);
    if (claim_) Family::release(*std::exchange(claim_, std::nullopt));
    acceptor_.reset();
    pause_.reset();
  }

 private:
  static constexpr Duration pause_after_error = std::chrono::milliseconds{100};
  static constexpr std::size_t greeted_max = 1000;

  // What comes belongs to the operation until it is handed over: `end` may run meanwhile, in another thread.
  void accept() {
    acceptor_->async_accept([self = this->shared_from_this()](std::error_code error, Socket incoming) {
      self->context_->enter([&] { self->has_accepted(error, std::move(incoming)); });
    });
  }

  void has_accepted(std::error_code error, Socket incoming) {
    std::shared_ptr<AsioLink<Family>> link;
    {
      const std::lock_guard lock(mutex_);
      if (!acceptor_) return;
      if (error && error != asio::error::connection_aborted) return accept_later();
      const auto make_stream = [this](Socket socket) {
        return Family::incoming(settings_, context_, std::move(socket));
      };
      if (!error) link = context_->add<AsioLink<Family>>(context_, std::move(incoming), make_stream);
      accept();
    }
    if (link != nullptr) greet(std::move(link));
  }

  // Links whose handshake is under way wait here, and hold up nobody; when they are too many, the oldest
  // goes. One that fails is handed over as well: what it says when it is started is why it ended.
  void greet(std::shared_ptr<AsioLink<Family>> link) {
    if (greeted_.size() == greeted_max) {
      greeted_.front()->end();
      greeted_.pop_front();
    }
    const auto place = greeted_.insert(greeted_.end(), link);
    link->shake_hands([self = this->shared_from_this(), place](std::error_code) {
      const auto agreed = std::move(*place);
      self->greeted_.erase(place);
      self->hand_over(agreed);
    });
  }

  void hand_over(const std::shared_ptr<AsioLink<Family>>& link) {
    std::shared_ptr<const AcceptHandler> on_link;
    {
      const std::lock_guard lock(mutex_);
      on_link = on_link_;
    }
    on_link != nullptr ? (*on_link)(link->handle()) : link->end();
  }

  // No file descriptors left, most likely: the listener outlives that.
  void accept_later() {
    pause_->expires_after(pause_after_error);
    pause_->async_wait([self = this->shared_from_this()](std::error_code error) {
      if (error) return;
      self->context_->enter([&] {
        const std::lock_guard lock(self->mutex_);
        if (self->acceptor_) self->accept();
      });
    });
  }

  std::shared_ptr<AsioContext> context_;
  [[no_unique_address]] typename Family::Settings settings_;
  std::list<std::shared_ptr<AsioLink<Family>>> greeted_;  // the context's
  std::mutex mutex_;
  std::optional<typename Family::Acceptor> acceptor_;
  std::optional<AsioTimer> pause_;
  std::optional<typename Family::Claim> claim_;
  std::shared_ptr<const AcceptHandler> on_link_;
};

/// One attempt to connect: looks the address up and tries what it finds in turn.
template <AsioFamily Family>
class AsioAttempt final : public AsioPart, public std::enable_shared_from_this<AsioAttempt<Family>> {
 public:
  using Endpoint = typename Family::Endpoint;

  AsioAttempt(const AsioStrand& strand, std::shared_ptr<AsioContext> context,
              typename Family::Settings settings, ConnectHandler on_done)
      : context_(std::move(context)),
        settings_(std::move(settings)),
        strand_(strand),
        on_done_(std::move(on_done)) {}

  /// In the context.
  void begin(const std::string& address) {
    if (!strand_ || !on_done_.is_pending()) return leave();
    std::error_code error;
    target_ = Family::parse(address, error);
    if (error) return finish(error);
    if (!target_.endpoints.empty()) return try_all(std::move(target_.endpoints));
    if constexpr (requires { typename Family::Resolver; }) return look_up();
    finish(Errc::bad_address);
  }

  /// From any thread; what has begun ends in the context, a little later.
  void cancel() {
    const auto cancelled = on_done_.take();
    if (cancelled) context_->post([self = this->shared_from_this()] { self->leave(); });
  }

  void end() override { finish(Errc::shut_down); }

 private:
  void look_up() requires requires { typename Family::Resolver; }
  {
    cancel_look_up_ = Family::async_resolve(
        *strand_, target_,
        [self = this->shared_from_this()](std::error_code error, std::vector<Endpoint> endpoints) {
          self->context_->enter([&] {
            if (!self->strand_) return;
            if (error) return self->finish(error);
            self->try_all(std::move(endpoints));
          });
        });
  }

  void try_all(std::vector<Endpoint> endpoints) {
    endpoints_ = std::move(endpoints);
    try_next(asio::error::host_not_found);
  }

  void try_next(std::error_code last_error) {
    std::error_code error = last_error;
    while (next_ != endpoints_.size()) {
      const Endpoint endpoint = endpoints_[next_++];
      socket_.emplace(*strand_);
      socket_->open(endpoint.protocol(), error);
      if (error) continue;
      return socket_->async_connect(endpoint, [self = this->shared_from_this()](std::error_code failed) {
        self->context_->enter([&] { self->has_connected(failed); });
      });
    }
    finish(Family::connect_error(from_asio(error)));
  }

  void has_connected(std::error_code error) {
    if (!socket_) return;
    if (!error && !Family::is_connected(*socket_)) error = asio::error::connection_refused;
    if (error) return try_next(error);
    const auto make_stream = [this](typename Family::Socket socket) {
      return Family::outgoing(settings_, context_, std::move(socket), target_, endpoints_[next_ - 1]);
    };
    link_ = context_->add<AsioLink<Family>>(context_, *std::exchange(socket_, std::nullopt), make_stream);
    if (link_ == nullptr) return finish(Errc::shut_down);
    link_->shake_hands(
        [self = this->shared_from_this()](std::error_code failed) { self->has_agreed(failed); });
  }

  // Who answers and is not whom we want is not sought at the next address.
  void has_agreed(std::error_code error) {
    if (!strand_ || error) return finish(error);
    const auto link = std::exchange(link_, nullptr);
    finish({}, link->handle());
  }

  void finish(std::error_code error, std::shared_ptr<Link> link = nullptr) {
    leave();
    if (const auto on_done = on_done_.take()) on_done(from_asio(error), std::move(link));
  }

  void leave() {
    if (auto cancel_look_up = std::exchange(cancel_look_up_, nullptr)) cancel_look_up();
    if (const auto link = std::exchange(link_, nullptr)) link->end();
    socket_.reset();
    strand_.reset();
    context_->remove(this->shared_from_this());
  }

  std::shared_ptr<AsioContext> context_;
  [[no_unique_address]] typename Family::Settings settings_;
  std::optional<AsioStrand> strand_;  // none: it is over
  typename Family::Target target_;
  std::function<void()> cancel_look_up_;
  std::vector<Endpoint> endpoints_;
  std::size_t next_ = 0;
  std::optional<typename Family::Socket> socket_;
  std::shared_ptr<AsioLink<Family>> link_;  // while it shakes hands
  OneShot<ConnectHandler> on_done_;
};

/// Thread safety  every call from any thread
template <AsioFamily Family>
class AsioEngine final : public TransportEngine {
 public:
  using Settings = typename Family::Settings;

  AsioEngine(asio::io_context& io, Settings settings)
      : context_(std::make_shared<AsioContext>(io)), settings_(std::move(settings)) {}
  explicit AsioEngine(Settings settings)
      : context_(std::make_shared<AsioContext>(std::make_shared<asio::io_context>())),
        settings_(std::move(settings)) {
    context_->start_thread();
  }

  [[nodiscard]] TimePoint now() const noexcept override { return std::chrono::steady_clock::now(); }
  void post(std::function<void()> task) override { context_->post(std::move(task)); }
  void deliver() override {}
  void shut_down() { context_->shut_down(); }

  [[nodiscard]] std::unique_ptr<Registration> at(TimePoint when, std::function<void()> task) override {
    auto alarm = context_->add<AsioAlarm>(context_, std::move(task));
    if (alarm == nullptr) return registration([] {});
    alarm->start(when);
    return registration([alarm = std::move(alarm)] { alarm->cancel(); });
  }

  [[nodiscard]] std::unique_ptr<Registration> listen(std::string_view address, AcceptHandler on_link,
                                                     std::string& bound, std::error_code& error) override {
    error.clear();
    auto target = Family::parse(address, error);
    if (!error) error = Family::why_not_listen(settings_);
    if (error) return nullptr;
    auto listener = context_->add<AsioListener<Family>>(context_, settings_, std::move(on_link));
    if (listener == nullptr) {
      error = Errc::shut_down;
      return nullptr;
    }
    if (target.endpoints.empty()) target.endpoints = Family::resolve(target, error);
    if (!error) listener->open(std::move(target.endpoints), bound, error);
    auto registered = registration([listener = std::move(listener)] { listener->cancel(); });
    if (error) return nullptr;
    return registered;
  }

  [[nodiscard]] std::unique_ptr<Registration> connect(std::string_view address,
                                                      ConnectHandler on_done) override {
    auto attempt = context_->add<AsioAttempt<Family>>(context_, settings_, std::move(on_done));
    if (attempt == nullptr) {  // then add() has not moved from its arguments
      context_->post([on_done = std::move(on_done)] { on_done(Errc::shut_down, nullptr); });
      return registration([] {});
    }
    context_->post([attempt, name = std::string(address)] { attempt->begin(name); });
    return registration([attempt = std::move(attempt)] { attempt->cancel(); });
  }

 private:
  std::shared_ptr<AsioContext> context_;
  [[no_unique_address]] const Settings settings_;
};

/// What TcpTransport, UnixTransport and TlsTransport are: the owner of an engine.
template <AsioFamily Family>
class AsioTransport {
 public:
  /// On a thread of its own.
  AsioTransport() requires std::default_initializable<typename Family::Settings>
      : AsioTransport(typename Family::Settings()) {}

  /// On the threads that run `io`, of which there may be several. `io` must outlive this object; nothing
  /// happens while nobody runs it.
  explicit AsioTransport(asio::io_context& io) requires std::default_initializable<typename Family::Settings>
      : AsioTransport(io, typename Family::Settings()) {}

  AsioTransport(AsioTransport&&) noexcept = default;
  AsioTransport& operator=(AsioTransport&& other) noexcept {
    std::swap(engine_, other.engine_);
    return *this;
  }

  /// Closes links and listeners; `on_closed(Errc::shut_down)` runs in this call. When called by a callback,
  /// they close after it: an `io_context` of the application must still run for that.
  ~AsioTransport() {
    if (engine_ != nullptr) engine_->shut_down();
  }

  [[nodiscard]] std::shared_ptr<TransportEngine> engine() const noexcept { return engine_; }

 protected:
  explicit AsioTransport(typename Family::Settings settings)
      : engine_(std::make_shared<AsioEngine<Family>>(std::move(settings))) {}
  AsioTransport(asio::io_context& io, typename Family::Settings settings)
      : engine_(std::make_shared<AsioEngine<Family>>(io, std::move(settings))) {}

 private:
  std::shared_ptr<AsioEngine<Family>> engine_;
};

}  // namespace replikv::inline v0_1::detail
