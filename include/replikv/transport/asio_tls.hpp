// Links over TLS 1.2 and 1.3, through OpenSSL. The addresses are those of asio_tcp.hpp, the options and
// errors are in asio_tls_options.hpp.
#pragma once

#include <replikv/transport/asio_engine.hpp>
#include <replikv/transport/asio_tcp.hpp>
#include <replikv/transport/asio_tls_options.hpp>

#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/post.hpp>
#include <asio/socket_base.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace replikv::inline v0_1 {
namespace detail {

/// One end of a TLS connection, without a socket: what travels goes in and out as bytes.
class TlsSession {
 public:
  enum class State {
    done,
    wants_input,
    ended,  ///< the peer said that nothing more will come
    failed  ///< see error()
  };

  TlsSession(std::shared_ptr<const TlsContext> context, bool is_server)
      : context_(std::move(context)),
        method_(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "replikv")),
        ssl_(SSL_new(is_server ? context_->incoming() : context_->outgoing())) {
    BIO* const bio = method_ != nullptr ? BIO_new(method_.get()) : nullptr;
    if (ssl_ == nullptr || bio == nullptr) {
      BIO_free(bio);
      throw std::bad_alloc();
    }
    BIO_meth_set_read(method_.get(), take_input);
    BIO_meth_set_write(method_.get(), add_output);
    BIO_meth_set_ctrl(method_.get(), control);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    if (is_server) {
      SSL_set_verify(ssl_.get(), context_->verify_mode_of_clients(), nullptr);
      SSL_set_accept_state(ssl_.get());
    } else {
      SSL_set_verify(ssl_.get(), context_->verify_peer() ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
      SSL_set_connect_state(ssl_.get());
    }
  }
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  [[nodiscard]] const TlsContext& context() const noexcept { return *context_; }

  /// Of a client: the name the server is asked for, and that its certificate must have.
  void expect_name(std::string name) {
    if (name.ends_with('.')) name.pop_back();
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    if (!context_->verify_host()) return;
    SSL_set_hostflags(ssl_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl_.get(), name.c_str()) != 1) throw std::bad_alloc();
  }

  /// The same for a server sought by its address, for which there is no name to ask for.
  void expect_address(const asio::ip::address& address) {
    if (!context_->verify_host()) return;
    const auto expect = [this](const auto& bytes) {
      return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl_.get()), bytes.data(), bytes.size());
    };
    const int is_set =
        address.is_v6() ? expect(address.to_v6().to_bytes()) : expect(address.to_v4().to_bytes());
    if (is_set != 1) throw std::bad_alloc();
  }

  /// What came from the network; must stay valid until it has been used up.
  void feed(std::span<const std::byte> input) noexcept { input_ = input; }

  /// True when more may be read without being fed.
  [[nodiscard]] bool has_input() const noexcept {
    return !input_.empty() || SSL_has_pending(ssl_.get()) == 1;
  }

  /// What is to go to the network: whoever takes it, empties it.
  [[nodiscard]] std::vector<std::byte>& output() noexcept { return output_; }

  [[nodiscard]] std::error_code error() const noexcept { return error_; }

  [[nodiscard]] State shake_hands() {
    ERR_clear_error();
    return state_after(SSL_do_handshake(ssl_.get()));
  }

  /// Fills `out` as far as the input allows; `count` is how far.
  [[nodiscard]] State read(std::span<std::byte> out, std::size_t& count) {
    count = 0;
    while (count != out.size()) {
      std::size_t bytes = 0;
      ERR_clear_error();
      const int result = SSL_read_ex(ssl_.get(), out.data() + count, out.size() - count, &bytes);
      if (result != 1) return state_after(result);
      count += bytes;
    }
    return State::done;
  }

  /// Encrypts from the front of the buffers, some of their bytes; `count` is how many. Small ones share a
  /// record, for which they are copied; others are encrypted from where they are.
  [[nodiscard]] State write(std::span<const asio::const_buffer> buffers, std::size_t& count) {
    count = 0;
    std::size_t at = 0;  // in the first buffer
    while (!buffers.empty() && count < write_bytes_max) {
      const std::span<const std::byte> record = next_record(buffers, at);
      std::size_t written = 0;
      ERR_clear_error();
      const int result = SSL_write_ex(ssl_.get(), record.data(), record.size(), &written);
      if (result != 1) return state_after(result);
      count += record.size();
    }
    return State::done;
  }

  /// Says that nothing more will come.
  void close_notify() {
    if (error_ || SSL_is_init_finished(ssl_.get()) == 0) return;
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }

 private:
  static constexpr std::size_t record_bytes_max = std::size_t{16} << 10;
  static constexpr std::size_t write_bytes_max = std::size_t{128} << 10;
  // A peer may ask for new keys over and over, and read none of the answers.
  static constexpr std::size_t output_bytes_max = std::size_t{256} << 10;

  [[nodiscard]] std::span<const std::byte> next_record(std::span<const asio::const_buffer>& buffers,
                                                       std::size_t& at) {
    const auto take = [&](std::size_t bytes_max) {
      const asio::const_buffer rest = buffers.front() + at;
      const std::size_t bytes = std::min(rest.size(), bytes_max);
      at += bytes;
      if (bytes == rest.size()) {
        buffers = buffers.subspan(1);
        at = 0;
      }
      return std::span(static_cast<const std::byte*>(rest.data()), bytes);
    };
    if (buffers.size() == 1 || buffers.front().size() - at >= record_bytes_max) return take(record_bytes_max);
    if (gathered_ == nullptr) gathered_ = std::make_unique_for_overwrite<std::byte[]>(record_bytes_max);
    std::size_t bytes = 0;
    while (!buffers.empty() && bytes != record_bytes_max) {
      const auto piece = take(record_bytes_max - bytes);
      std::memcpy(gathered_.get() + bytes, piece.data(), piece.size());
      bytes += piece.size();
    }
    return {gathered_.get(), bytes};
  }

  [[nodiscard]] State state_after(int result) {
    if (result == 1) return State::done;
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ: return State::wants_input;
      case SSL_ERROR_ZERO_RETURN: return State::ended;
      default: break;
    }
    error_ = why_failed();
    ERR_clear_error();
    return State::failed;
  }

  [[nodiscard]] std::error_code why_failed() const {
    if (has_no_room_) return std::make_error_code(std::errc::not_enough_memory);
    const unsigned long code = ERR_peek_error();
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
      return code != 0 ? std::error_code(static_cast<int>(code & 0x7fffffffUL), tls_category())
                       : make_error_code(Errc::protocol_error);
    }
    switch (ERR_GET_REASON(code)) {
      case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return {static_cast<int>(SSL_get_verify_result(ssl_.get())), certificate_category()};
      case SSL_R_HTTP_REQUEST:
      case SSL_R_HTTPS_PROXY_REQUEST: return TlsErrc::not_tls;
      case SSL_R_WRONG_VERSION_NUMBER:
        if (SSL_is_init_finished(ssl_.get()) == 0) return TlsErrc::not_tls;
        break;
      default: break;
    }
    return {static_cast<int>(code), tls_category()};
  }

  // --- What OpenSSL reads from and writes to ------------------------------------------------------------

  static TlsSession& session_of(BIO* bio) noexcept { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

  static int take_input(BIO* bio, char* out, int size) noexcept {
    TlsSession& self = session_of(bio);
    BIO_clear_retry_flags(bio);
    if (self.input_.empty() || size <= 0) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const std::size_t bytes = std::min(static_cast<std::size_t>(size), self.input_.size());
    std::memcpy(out, self.input_.data(), bytes);
    self.input_ = self.input_.subspan(bytes);
    return static_cast<int>(bytes);
  }

  static int add_output(BIO* bio, const char* bytes, int size) noexcept {
    TlsSession& self = session_of(bio);
    BIO_clear_retry_flags(bio);
    if (size <= 0) return 0;
    const auto count = static_cast<std::size_t>(size);
    self.has_no_room_ = self.output_.size() + count > output_bytes_max;
    if (self.has_no_room_) return -1;
    try {
      const auto* const first = reinterpret_cast<const std::byte*>(bytes);
      self.output_.insert(self.output_.end(), first, first + count);
      return size;
    } catch (const std::exception&) {
      self.has_no_room_ = true;
      return -1;
    }
  }

  static long control(BIO*, int what, long, void*) noexcept { return what == BIO_CTRL_FLUSH ? 1 : 0; }

  std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<BIO_METHOD, OpensslFree<BIO_meth_free>> method_;
  std::span<const std::byte> input_;
  std::vector<std::byte> output_;
  std::unique_ptr<std::byte[]> gathered_;
  bool has_no_room_ = false;
  std::error_code error_;
  std::unique_ptr<SSL, OpensslFree<SSL_free>> ssl_;  // last: it still writes when it ends
};

/// The socket of a link and the session over it. Lives on while the system still works for it.
///
/// Why not Asio's own stream: that one works between the steps of an operation outside of our context, so
/// nobody else could end it; it may not end before its operations; and it sends a record, and so a packet,
/// for each buffer.
class TlsSocket : public std::enable_shared_from_this<TlsSocket> {
 public:
  using Socket = TcpFamily::Socket;
  using OnAgreed = std::function<void(std::error_code)>;
  using OnDone = std::function<void(std::error_code, std::size_t)>;

  TlsSocket(std::shared_ptr<AsioContext> context, Socket socket, std::shared_ptr<const TlsContext> tls,
            bool is_server)
      : context_(std::move(context)),
        socket_(std::move(socket)),
        timer_(std::in_place, socket_->get_executor()),
        session_(std::move(tls), is_server),
        received_(std::make_unique_for_overwrite<std::byte[]>(receive_bytes_max)) {}

  [[nodiscard]] TlsSession& session() noexcept { return session_; }

  // All that follows, and every handler, in the context.

  void shake_hands(OnAgreed on_agreed) {
    on_agreed_ = std::move(on_agreed);
    timer_->expires_after(session_.context().handshake_max());
    timer_->async_wait([self = shared_from_this()](std::error_code error) {
      if (error) return;
      self->context_->enter([&] {
        if (self->on_agreed_ && self->socket_) self->end_handshake(TlsErrc::handshake_timeout);
      });
    });
    advance_handshake();
  }

  void read(asio::mutable_buffer buffer, OnDone on_read) {
    buffer_ = buffer;
    on_read_ = std::move(on_read);
    if (!ending_ && !session_.has_input()) return receive();
    post([](TlsSocket& self) { self.advance_read(); });
  }

  void write(std::span<const asio::const_buffer> buffers, OnDone on_written) {
    written_bytes_ = 0;
    on_written_ = std::move(on_written);
    if (!broken_ && session_.write(buffers, written_bytes_) != TlsSession::State::done) {
      broken_ = session_.error() ? session_.error() : make_error_code(Errc::protocol_error);
    }
    if (!broken_) return flush();
    post([](TlsSocket& self) { self.complete(self.on_written_, self.broken_, 0); });
  }

  void finish(std::error_code& error) {
    error = broken_;
    if (broken_) return;
    session_.close_notify();
    is_finishing_ = true;
    flush();
  }

  /// What is under way ends, and its handlers hear it.
  void close() {
    socket_.reset();
    timer_.reset();
  }

 private:
  static constexpr std::size_t receive_bytes_max = std::size_t{128} << 10;

  template <class Call>
  void post(Call call) {
    asio::post(socket_->get_executor(),
               [self = shared_from_this(), call] { self->context_->enter([&] { call(*self); }); });
  }

  template <class Call>
  auto handler(Call call) {
    return [self = shared_from_this(), call](std::error_code error, std::size_t bytes) {
      self->context_->enter([&] { call(*self, error, bytes); });
    };
  }

  static void complete(OnDone& handler, std::error_code error, std::size_t bytes) {
    if (const auto done = std::exchange(handler, nullptr)) done(error, bytes);
  }

  void advance_handshake() {
    const auto state = session_.shake_hands();
    flush();
    switch (state) {
      case TlsSession::State::done: return end_handshake({});
      case TlsSession::State::wants_input: return receive();
      case TlsSession::State::ended: return end_handshake(TlsErrc::handshake_cut);
      case TlsSession::State::failed: return end_handshake(session_.error());
    }
  }

  void end_handshake(std::error_code error) {
    timer_->cancel();
    if (error) ending_ = broken_ = error;
    if (const auto on_agreed = std::exchange(on_agreed_, nullptr)) on_agreed(error);
  }

  void receive() {
    if (std::exchange(is_receiving_, true)) return;
    socket_->async_read_some(asio::buffer(received_.get(), receive_bytes_max),
                             handler([](TlsSocket& self, std::error_code error, std::size_t bytes) {
                               self.has_received(error, bytes);
                             }));
  }

  void has_received(std::error_code error, std::size_t bytes) {
    is_receiving_ = false;
    if (!socket_) {
      on_agreed_ = nullptr;
      return complete(on_read_, asio::error::operation_aborted, 0);
    }
    if (on_agreed_ && error) {
      return end_handshake(error == asio::error::eof ? make_error_code(TlsErrc::handshake_cut) : error);
    }
    if (error && !ending_) ending_ = error;
    if (!error) session_.feed({received_.get(), bytes});
    on_agreed_ ? advance_handshake() : advance_read();
  }

  // An end without close_notify is an end like any other: what is replicated says itself whether it is whole.
  void advance_read() {
    if (!on_read_) return;
    if (!socket_) return complete(on_read_, asio::error::operation_aborted, 0);
    std::size_t bytes = 0;
    if (!ending_) {
      const auto state = session_.read({static_cast<std::byte*>(buffer_.data()), buffer_.size()}, bytes);
      if (state == TlsSession::State::ended) ending_ = asio::error::eof;
      if (state == TlsSession::State::failed) ending_ = session_.error();
      flush();
    }
    if (bytes != 0) return complete(on_read_, {}, bytes);
    ending_ ? complete(on_read_, ending_, 0) : receive();
  }

  void flush() {
    if (is_sending_ || broken_ || !socket_) return;
    if (session_.output().empty()) {
      std::error_code ignored;  // then the peer has left already
      if (is_finishing_) socket_->shutdown(asio::socket_base::shutdown_send, ignored);
      return;
    }
    is_sending_ = true;
    sends_written_ = static_cast<bool>(on_written_);
    sent_bytes_ = 0;
    sending_.swap(session_.output());
    send();
  }

  void send() {
    socket_->async_write_some(asio::buffer(sending_) + sent_bytes_,
                              handler([](TlsSocket& self, std::error_code error, std::size_t bytes) {
                                self.has_sent(error, bytes);
                              }));
  }

  void has_sent(std::error_code error, std::size_t bytes) {
    if (!socket_) error = asio::error::operation_aborted;
    sent_bytes_ += bytes;
    if (!error && sent_bytes_ != sending_.size()) return send();
    is_sending_ = false;
    sending_.clear();
    if (error) {
      broken_ = error;
      session_.output().clear();
      return complete(on_written_, error, 0);
    }
    OnDone on_written = sends_written_ ? std::exchange(on_written_, nullptr) : nullptr;
    flush();
    complete(on_written, {}, written_bytes_);
  }

  std::shared_ptr<AsioContext> context_;
  std::optional<Socket> socket_;  // none: closed
  std::optional<AsioTimer> timer_;
  TlsSession session_;
  std::unique_ptr<std::byte[]> received_;
  OnAgreed on_agreed_;  // none: no handshake is under way

  asio::mutable_buffer buffer_;
  OnDone on_read_;
  std::error_code ending_;  // why nothing more will be read
  bool is_receiving_ = false;

  OnDone on_written_;
  std::size_t written_bytes_ = 0;   // those that it will be told
  std::vector<std::byte> sending_;  // what the system is given; the session fills the next
  std::size_t sent_bytes_ = 0;
  bool is_sending_ = false;
  bool sends_written_ = false;  // all of the write's bytes are among them
  bool is_finishing_ = false;
  std::error_code broken_;  // why nothing more can be written
};

/// A TlsSocket as a link holds it: closed with its owner.
class TlsStream {
 public:
  explicit TlsStream(std::shared_ptr<TlsSocket> socket) noexcept : socket_(std::move(socket)) {}
  TlsStream(TlsStream&&) noexcept = default;
  TlsStream& operator=(TlsStream&&) = delete;
  ~TlsStream() {
    if (socket_ != nullptr) socket_->close();
  }

  template <class Handler>
  void async_handshake(Handler handler) {
    socket_->shake_hands(std::move(handler));
  }
  template <class Handler>
  void async_read_some(asio::mutable_buffer buffer, Handler handler) {
    socket_->read(buffer, std::move(handler));
  }
  template <class Handler>
  void async_write_some(std::span<const asio::const_buffer> buffers, Handler handler) {
    socket_->write(buffers, std::move(handler));
  }
  void finish(std::error_code& error) { socket_->finish(error); }

 private:
  std::shared_ptr<TlsSocket> socket_;
};

/// TCP with TLS on it.
struct TlsFamily : TcpFamily {
  using Stream = TlsStream;
  using Settings = std::shared_ptr<const TlsContext>;

  static constexpr bool stream_enters_context = true;

  [[nodiscard]] static Stream incoming(const Settings& settings, const std::shared_ptr<AsioContext>& context,
                                       Socket socket) {
    return Stream(std::make_shared<TlsSocket>(context, std::move(socket), settings, true));
  }

  [[nodiscard]] static Stream outgoing(const Settings& settings, const std::shared_ptr<AsioContext>& context,
                                       Socket socket, const Target& target, const Endpoint& endpoint) {
    auto made = std::make_shared<TlsSocket>(context, std::move(socket), settings, false);
    target.host.empty() ? made->session().expect_address(endpoint.address())
                        : made->session().expect_name(target.host);
    return Stream(std::move(made));
  }

  [[nodiscard]] static std::error_code why_not_listen(const Settings& settings) noexcept {
    return settings->why_not_listen();
  }

  static void finish(Stream& stream, std::error_code& error) { stream.finish(error); }
};

}  // namespace detail

/// Links over TLS 1.2 or 1.3. Addresses are those of TcpTransport.
///
/// Whoever connects verifies the server's certificate and that it is the server's of this address; whoever
/// listens demands a certificate of each client; `TlsOptions` can change either. An attempt to connect ends
/// with the result of the handshake. A listener hands a link over when its handshake is done, so that one
/// who stalls holds up nobody; when it has failed, or taken longer than `handshake_max`, the link ends as
/// soon as it is started, and says why. In TLS 1.3 a client is done before the server has seen its
/// certificate: if the server refuses it, the attempt succeeds and the link ends.
///
/// Of handshakes under way, a listener keeps 1000; when there are more, it drops the oldest.
///
/// Errors  as TcpTransport; `TlsErrc` and those of OpenSSL in `tls_category()`; what is wrong with a
///         certificate in `certificate_category()`
class TlsTransport : public detail::AsioTransport<detail::TlsFamily> {
 public:
  /// On a thread of its own. Throws `Error` with `Errc::bad_option`, and says which file or option it is,
  /// when a certificate, key or CA cannot be loaded, or do not go together.
  explicit TlsTransport(const TlsOptions& options)
      : AsioTransport(std::make_shared<const detail::TlsContext>(options)) {}

  /// On the threads that run `io`, of which there may be several. `io` must outlive this object; nothing
  /// happens while nobody runs it.
  TlsTransport(asio::io_context& io, const TlsOptions& options)
      : AsioTransport(io, std::make_shared<const detail::TlsContext>(options)) {}
};

static_assert(Transport<TlsTransport>);

}  // namespace replikv::inline v0_1
