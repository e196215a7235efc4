// One end of a link whose both ends live in this process: a handle on the wire they share.
#pragma once

#include <replikv/transport/transport.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace replikv::inline v0_1::detail {

/// The two ends of a wire.
inline constexpr std::size_t listener_end = 0;
inline constexpr std::size_t connector_end = 1;

/// Closes its end when its last owner lets go of it.
template <class Wire>
class WireLink final : public Link {
 public:
  WireLink(std::shared_ptr<Wire> wire, std::size_t end) noexcept : wire_(std::move(wire)), end_(end) {}
  WireLink(const WireLink&) = delete;
  WireLink& operator=(const WireLink&) = delete;
  ~WireLink() override { wire_->close(end_); }

  void start(std::weak_ptr<LinkEvents> events) override { wire_->start(end_, std::move(events)); }
  void send(std::span<const SharedBytes> buffers) override { wire_->send(end_, buffers); }
  [[nodiscard]] std::size_t unsent_bytes() const noexcept override { return wire_->unsent_bytes(end_); }
  void close() noexcept override { wire_->close(end_); }
  [[nodiscard]] std::string peer_address() const override { return wire_->peer_address(end_); }

 private:
  std::shared_ptr<Wire> wire_;
  std::size_t end_;
};

}  // namespace replikv::inline v0_1::detail
