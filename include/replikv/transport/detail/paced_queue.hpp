// What is on its way in one direction of a link: in order, and when it gets there.
#pragma once

#include <replikv/core/bytes.hpp>
#include <replikv/core/clock.hpp>
#include <replikv/core/random.hpp>
#include <replikv/transport/detail/simulated_medium.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <ratio>
#include <utility>

namespace replikv::inline v0_1::detail {

/// Times what is pushed by the conditions of that moment: it leaves behind what was pushed before, as fast
/// as the bandwidth allows, and then takes its delay, but overtakes nothing.
class PacedQueue {
 public:
  [[nodiscard]] bool empty() const noexcept { return pieces_.empty(); }

  /// Preconditions of these: not empty.
  [[nodiscard]] TimePoint next_time() const noexcept { return pieces_.front().arrives; }
  [[nodiscard]] SharedBytes& front() noexcept { return pieces_.front().bytes; }
  void pop() noexcept { pieces_.pop_front(); }

  void push(SharedBytes bytes, TimePoint now, const LinkConditions& conditions, Random& random) {
    pieces_.push_back({std::move(bytes)});
    time(pieces_.back(), now, conditions, random);
  }

  /// What has not left yet travels by other conditions.
  void retime(TimePoint now, const LinkConditions& conditions, Random& random) {
    free_at_ = now;
    last_arrival_ = {};
    for (Piece& piece : pieces_) {
      if (piece.departs > now) {
        time(piece, now, conditions, random);
      } else {
        last_arrival_ = piece.arrives;
      }
    }
  }

  void clear() noexcept { pieces_.clear(); }

 private:
  struct Piece {
    SharedBytes bytes;
    TimePoint departs{};  // when its last byte has left
    TimePoint arrives{};
  };

  void time(Piece& piece, TimePoint now, const LinkConditions& conditions, Random& random) {
    free_at_ = std::max(free_at_, now);
    if (const std::uint64_t rate = conditions.bytes_per_second_max; rate != 0) {
      free_at_ += std::chrono::nanoseconds(piece.bytes.size() * std::nano::den / rate);
    }
    last_arrival_ = std::max(last_arrival_, free_at_ + SimulatedMedium::draw_delay(conditions, random));
    piece.departs = free_at_;
    piece.arrives = last_arrival_;
  }

  std::deque<Piece> pieces_;
  TimePoint free_at_{};  // when all that was pushed has left
  TimePoint last_arrival_{};
};

}  // namespace replikv::inline v0_1::detail
