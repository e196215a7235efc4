// A small random generator that gives the same numbers with every compiler and library: replication
// ids, end-of-file marks, jitter, and everything a simulation draws from its seed.
#pragma once

#include <cstdint>
#include <limits>
#include <random>

namespace replikv::inline v0_1 {

/// SplitMix64 (Steele, Lea, Flood 2014): one add and one mix a number; any seed is a good seed.
/// Not for secrets. Meets std::uniform_random_bit_generator.
class Random {
 public:
  using result_type = std::uint64_t;

  explicit constexpr Random(std::uint64_t seed) noexcept : state_(seed) {}

  /// Seeded by the operating system.
  [[nodiscard]] static Random from_system() {
    std::random_device device;
    return Random(std::uint64_t{device()} << 32 ^ device());
  }

  [[nodiscard]] static constexpr result_type min() noexcept { return 0; }
  [[nodiscard]] static constexpr result_type max() noexcept {
    return std::numeric_limits<result_type>::max();
  }

  constexpr result_type operator()() noexcept {
    std::uint64_t mixed = state_ += 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
  }

  /// A number below `bound`. Precondition: `bound > 0`. The bias is below 2^-32 for bounds below 2^32.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept { return (*this)() % bound; }

 private:
  std::uint64_t state_;
};

}  // namespace replikv::inline v0_1
