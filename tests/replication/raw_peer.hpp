// A peer that says whatever a test wants: one end of a link without a session behind it.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/transport/simulated.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace cluster {

/// A replication id that nobody has.
inline const std::string some_id(40, 'a');

class RawPeer final : public replikv::LinkEvents, public std::enable_shared_from_this<RawPeer> {
 public:
  /// Connects to a node; talk after the network has run.
  static std::shared_ptr<RawPeer> connect(replikv::SimulatedTransport& network, std::string_view address) {
    auto peer = std::make_shared<RawPeer>();
    peer->registration_ = network.engine()->connect(
        address,
        [peer](std::error_code, std::shared_ptr<replikv::Link> link) { peer->begin(std::move(link)); });
    return peer;
  }

  /// Listens; each link that comes replaces the one before, and `greeting` is answered to its first bytes.
  static std::shared_ptr<RawPeer> listen(replikv::SimulatedTransport& network, std::string_view address) {
    auto peer = std::make_shared<RawPeer>();
    std::string bound;
    std::error_code error;
    peer->registration_ = network.engine()->listen(
        address,
        [weak = std::weak_ptr(peer)](std::shared_ptr<replikv::Link> link) {
          if (auto self = weak.lock()) self->begin(std::move(link));
        },
        bound, error);
    return peer;
  }

  void send(std::string_view text) {
    const std::vector<replikv::SharedBytes> buffers{replikv::SharedBytes(std::string(text))};
    link_->send(buffers);
  }

  /// Ends the link; a listener takes the next one.
  void hang_up() { link_->close(); }

  [[nodiscard]] bool is_linked() const { return link_ != nullptr; }
  [[nodiscard]] bool is_closed() const { return closed_; }
  [[nodiscard]] unsigned links() const { return links_; }
  [[nodiscard]] const std::string& received() const { return received_; }
  [[nodiscard]] std::string take() { return std::exchange(received_, {}); }

  void on_bytes(replikv::Bytes bytes) override { received_ += replikv::as_text(bytes); }
  void on_writable() override {}
  void on_closed(std::error_code) override { closed_ = true; }

 private:
  void begin(std::shared_ptr<replikv::Link> link) {
    if (!link) return;
    if (link_) link_->close();
    link_ = std::move(link);
    closed_ = false;
    received_.clear();
    ++links_;
    link_->start(weak_from_this());
  }

  std::unique_ptr<replikv::Registration> registration_;
  std::shared_ptr<replikv::Link> link_;
  std::string received_;
  bool closed_ = false;
  unsigned links_ = 0;
};

}  // namespace cluster
