// Masters of raw bytes. Whoever follows them gets a snapshot and a stream prepared beforehand, as fast as
// it takes them: what is measured is the replica alone.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/resp/parser.hpp>
#include <replikv/resp/writer.hpp>
#include <replikv/transport/in_process.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <tests/interop/redis_client.hpp>
#include <tests/interop/socket.hpp>
#include <utility>
#include <vector>

namespace race {

/// The history that feeders serve.
[[nodiscard]] inline std::string fed_replication_id() { return std::string(40, 'a'); }

[[nodiscard]] inline std::string full_resync(std::string_view snapshot) {
  return "+FULLRESYNC " + fed_replication_id() + " 0\r\n$" + std::to_string(snapshot.size()) + "\r\n" +
         std::string(snapshot);
}

/// What a master answers that wants nothing of its replica; nothing when this was the last question.
[[nodiscard]] inline std::optional<std::string_view> answer_to(std::string_view command) {
  if (command == "PSYNC") return std::nullopt;
  return command == "PING" ? "+PONG\r\n" : "+OK\r\n";
}

/// Over TCP, for redis-server and ReplicationReplica alike.
class TcpFeeder {
 public:
  TcpFeeder() : listener_(interop::make_socket()) {
    if (!interop::bind_loopback(listener_, 0) || ::listen(listener_.get(), 4) != 0) {
      interop::throw_errno("listen");
    }
  }

  [[nodiscard]] std::uint16_t port() const { return interop::port_of(listener_); }

  /// Waits for a replica and sends it `snapshot`, a whole RDB file; the stream begins behind it.
  void accept(std::string_view snapshot) {
    interop::Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket.is_open()) interop::throw_errno("accept");
    link_.emplace(std::move(socket));
    while (const auto answer = answer_to(link_->read_reply().items.at(0).text)) link_->send_raw(*answer);
    link_->send_raw(full_resync(snapshot));
    offset_ = 0;
  }

  /// Sends `stream`; returns when the replica has confirmed that it applied the last byte.
  void feed(std::string_view stream) {
    std::string question;
    replikv::resp::append_command(question, "REPLCONF", "GETACK", "*");
    link_->send_raw(stream);
    link_->send_raw(question);
    offset_ += stream.size();
    await_acknowledgement();
    offset_ += question.size();
  }

 private:
  void await_acknowledgement() {
    for (;;) {
      const auto words = link_->read_reply().items;
      if (words.size() == 3 && words[1].text == "ACK" && std::stoull(words[2].text) >= offset_) return;
    }
  }

  interop::Descriptor listener_;
  std::optional<interop::RedisClient> link_;
  std::uint64_t offset_ = 0;
};

/// The same without a network.
class InProcessFeeder final : public replikv::LinkEvents,
                              public std::enable_shared_from_this<InProcessFeeder> {
 public:
  /// Serves every replica that follows `address` the same snapshot and stream.
  [[nodiscard]] static std::shared_ptr<InProcessFeeder> serve(const replikv::InProcessTransport& transport,
                                                              std::string_view address,
                                                              std::string snapshot) {
    auto feeder = std::make_shared<InProcessFeeder>();
    feeder->snapshot_ = std::move(snapshot);
    feeder->engine_ = transport.engine();
    std::string bound;
    std::error_code error;
    feeder->listening_ = feeder->engine_->listen(
        address,
        [weak = std::weak_ptr(feeder)](std::shared_ptr<replikv::Link> link) {
          const auto self = weak.lock();
          if (!self || !link) return;
          self->link_ = std::move(link);
          self->link_->start(weak);
        },
        bound, error);
    if (error) throw std::system_error(error);
    return feeder;
  }

  /// Queues the whole stream, cut as a socket might cut it.
  void feed(const std::shared_ptr<const std::string>& stream) {
    constexpr std::size_t piece = std::size_t{256} << 10;
    std::vector<replikv::SharedBytes> pieces;
    for (std::size_t at = 0; at < stream->size(); at += piece) {
      pieces.emplace_back(stream, replikv::as_bytes(std::string_view(*stream).substr(at, piece)));
    }
    engine_->post([self = shared_from_this(), pieces] { self->link_->send(pieces); });
  }

  void on_bytes(replikv::Bytes bytes) override {
    received_ += replikv::as_text(bytes);
    std::size_t taken = 0;
    while (!is_streaming_) {
      const auto parsed = parser_.parse(replikv::as_bytes(received_).subspan(taken));
      if (parsed.status != replikv::resp::Parsed::Status::command) break;
      taken += parsed.consumed;
      const auto answer = answer_to(parser_.arguments()[0]);
      is_streaming_ = !answer;
      send(answer ? std::string(*answer) : full_resync(snapshot_));
    }
    received_.erase(0, is_streaming_ ? received_.size() : taken);
  }
  void on_writable() override {}
  void on_closed(std::error_code) override {}

 private:
  void send(std::string text) {
    const replikv::SharedBytes buffer(std::move(text));
    link_->send({&buffer, 1});
  }

  std::shared_ptr<replikv::TransportEngine> engine_;
  std::unique_ptr<replikv::Registration> listening_;
  std::shared_ptr<replikv::Link> link_;
  std::string snapshot_;
  std::string received_;
  replikv::resp::CommandParser parser_;
  bool is_streaming_ = false;
};

}  // namespace race
