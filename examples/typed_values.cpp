// Typed values: a struct with a Codec of its own, a plain struct that needs none, and counters; three stores
// under one master, which a replica follows as one.
#include <replikv/replikv.hpp>

#include <charconv>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

// A type with strings inside says itself how it becomes bytes: here "AGE NAME", readable in redis-cli too.
struct Profile {
  std::string name;
  unsigned age = 0;
};

template <>
struct replikv::Codec<Profile> {
  static void encode(const Profile& profile, std::string& out) {
    out.append(std::to_string(profile.age)).append(" ").append(profile.name);
  }

  // The bytes may come from any peer: what is not a profile is refused, not guessed at.
  static bool decode(std::string_view bytes, Profile& profile) {
    const auto space = bytes.find(' ');
    if (space == std::string_view::npos) return false;
    const char* const age_end = bytes.data() + space;
    const auto [stopped, error] = std::from_chars(bytes.data(), age_end, profile.age);
    profile.name = bytes.substr(space + 1);
    return error == std::errc{} && stopped == age_end;
  }
};

// An aggregate of numbers and enumerations travels as its own memory behind a version byte: nothing to write.
struct Position {
  enum class Floor : std::uint8_t { ground, first };
  double x = 0;
  double y = 0;
  Floor floor = Floor::ground;
};

template <class... Stores>
void print(std::string_view who, const Stores&... stores) {
  std::cout << who << " holds";
  ((std::cout << ' ' << stores.size()), ...);
  std::cout << " keys in its stores\n";
}

int main() {
  replikv::Store<std::string, Profile> profiles, profiles_copy;
  replikv::Store<std::uint64_t, Position> positions, positions_copy;
  replikv::Store<std::string, std::int64_t> counters, counters_copy;

  // Each store is one Redis database (0, 1, 2); all share one stream and one snapshot instant.
  replikv::InProcessTransport here;
  replikv::ReplicationMaster master{profiles, positions, counters};
  replikv::ReplicationReplica replica{profiles_copy, positions_copy, counters_copy};
  master.listen(here, "office");
  replica.follow(here, "office");

  profiles.set("ada", {"Ada Lovelace", 36});
  profiles.update("ada", [](auto& profile) { profile->age += 1; });  // std::optional<Profile>&
  positions.set(42, {3.5, 7.25, Position::Floor::first});
  counters.increment("visits", 5);

  print("The master", profiles, positions, counters);
  print("The replica", profiles_copy, positions_copy, counters_copy);

  profiles_copy.visit("ada", [](const Profile& ada) {  // reads in place, without a copy
    std::cout << "profiles  ada    -> " << ada.name << ", " << ada.age << '\n';
  });
  if (const auto at = positions_copy.get(42)) {
    std::cout << "positions 42     -> (" << at->x << ", " << at->y << "), floor "
              << static_cast<int>(at->floor) << '\n';
  }
  std::cout << "counters  visits -> " << counters_copy.get("visits").value_or(0) << '\n';
}
