// How much of a stream's past is kept: so many bytes, or what was written in so much time, whichever is
// more. And the clock side of it: where the stream stood that long ago.
#pragma once

#include <replikv/core/clock.hpp>
#include <replikv/stream/offset.hpp>

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

namespace replikv::inline v0_1 {

/// The size asked for a backlog.
struct BacklogSize {
  std::uint64_t bytes = 0;      ///< always kept
  Duration duration{};          ///< what was written this recently is kept as well; 0: by bytes alone
  std::uint64_t bytes_max = 0;  ///< no more than this is kept for `duration`'s sake
};

namespace detail {

/// Samples of a stream's end, as old as `span` and a little older; closer together than is of use, none is
/// taken.
///
/// Thread safety  none: one caller at a time
/// Cost           O(1), no allocation
class RecentEnds {
 public:
  explicit RecentEnds(Duration span) noexcept : span_(span), apart_((span + Duration(parts - 1)) / parts) {}

  /// The stream ends at `end` now. `now` and `end` never go back.
  void note(TimePoint now, Offset end) noexcept {
    while (count_ > 1 && now - sample(1).when >= span_) {
      first_ = (first_ + 1) % samples_.size();
      --count_;
    }
    if (count_ > 0 && now - sample(count_ - 1).when < apart_) return;
    assert(count_ < samples_.size());
    sample(count_++) = {now, end};
  }

  /// The stream goes on at another place: of what was before, nothing is left.
  void restart(Offset end) noexcept {
    if (count_ == 0) return;
    sample(0) = {sample(count_ - 1).when, end};
    count_ = 1;
  }

  /// Where the stream ended `span` ago, or up to a part of it earlier; where it ended first, if all samples
  /// are younger. Precondition: there was a `note`.
  [[nodiscard]] Offset oldest() const noexcept { return samples_[first_].end; }

 private:
  struct Sample {
    TimePoint when;
    Offset end;
  };
  static constexpr int parts = 64;

  [[nodiscard]] Sample& sample(std::size_t i) noexcept { return samples_[(first_ + i) % samples_.size()]; }

  Duration span_;
  Duration apart_;                           // rounded up, so that the parts are no more
  std::array<Sample, parts + 1> samples_{};  // and the one before the parts
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace detail
}  // namespace replikv::inline v0_1
