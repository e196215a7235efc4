#include <replikv/core/limits.hpp>

#include <doctest/doctest.h>

#include <string>
#include <tests/replication/effects_world.hpp>

using namespace replikv_tests;

TEST_CASE("SETBIT: the highest bit of a byte comes first") {
  check({
      {{}, "SETBIT k 0 1", "k=\\x80"},
      {{}, "SETBIT k 7 1", "k=\\x01"},
      {{}, "SETBIT k 17 1", "k=\\x00\\x00@"},
      {{}, "SETBIT k 9 0", "k=\\x00\\x00"},
      {{"SET k a PXAT 5"}, "SETBIT k 6 1", "k=c@5"},
      {{"SET k c"}, "setbit k 6 0", "k=a"},
  });
  check_diverged({
      {{"SET k a"}, "SETBIT k -1 1", Reason::out_of_range},
      {{"SET k a"}, "SETBIT k x 1", Reason::out_of_range},
      {{"SET k a"}, "SETBIT k 4294967296 1", Reason::out_of_range},
      {{"SET k a"}, "SETBIT k 1 2", Reason::out_of_range},
      {{"SET k a"}, "SETBIT k 1 01", Reason::out_of_range},
      {{"SET k a"}, "SETBIT k 1", Reason::malformed},
  });
}

// The results were observed on redis-server 7.0.15.
TEST_CASE("BITFIELD: fields of every kind, at bit and at field offsets") {
  check({
      {{}, "BITFIELD k SET u8 0 65", "k=A"},
      {{}, "BITFIELD k SET u8 #1 66", "k=\\x00B"},
      {{}, "BITFIELD k SET u4 4 15", "k=\\x0f"},
      {{}, "BITFIELD k SET i5 3 -1", "k=\\x1f"},
      {{}, "BITFIELD k SET u12 6 2730", "k=\\x02\\xaa\\x80"},
      {{}, "BITFIELD k SET i64 0 -2", "k=\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe"},
      {{}, "BITFIELD k SET u63 1 9223372036854775807", "k=\\x7f\\xff\\xff\\xff\\xff\\xff\\xff\\xff"},
      {{}, "BITFIELD k SET u1 #9 1", "k=\\x00@"},
      {{"SET k abc PXAT 5"}, "BITFIELD k INCRBY u8 #1 1", "k=acc@5"},
      {{"SET k abc"}, "bitfield k get u8 0 set u8 0 100 get u8 8", "k=dbc"},
      {{},
       "BITFIELD k INCRBY i5 100 1 SET u8 0 65",
       "k=A" + std::string("\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80")},
  });
}

TEST_CASE("BITFIELD: overflow wraps, saturates or fails, from where it is said on") {
  check({
      {{"SET k \\xff"}, "BITFIELD k INCRBY u8 0 1", "k=\\x00"},
      {{"SET k \\xff"}, "BITFIELD k OVERFLOW SAT INCRBY u8 0 1", "k=\\xff"},
      {{"SET k \\xff"}, "BITFIELD k OVERFLOW FAIL INCRBY u8 0 1", "k=\\xff"},
      {{"SET k \\x00"}, "BITFIELD k INCRBY u8 0 -1", "k=\\xff"},
      {{"SET k \\x05"}, "BITFIELD k OVERFLOW SAT INCRBY u8 0 -9", "k=\\x00"},
      {{"SET k \\x7f"}, "BITFIELD k INCRBY i8 0 1", "k=\\x80"},
      {{"SET k \\x7f"}, "BITFIELD k OVERFLOW sat INCRBY i8 0 1", "k=\\x7f"},
      {{"SET k \\x80"}, "BITFIELD k OVERFLOW SAT INCRBY i8 0 -1", "k=\\x80"},
      {{"SET k \\x80"}, "BITFIELD k OVERFLOW WRAP INCRBY i8 0 -1", "k=\\x7f"},
      {{"SET k \\x01"}, "BITFIELD k OVERFLOW SAT INCRBY i8 0 9223372036854775807", "k=\\x7f"},
      {{"SET k \\x7f\\xff\\xff\\xff\\xff\\xff\\xff\\xff"},
       "BITFIELD k INCRBY i64 0 1",
       "k=\\x80\\x00\\x00\\x00\\x00\\x00\\x00\\x00"},
      {{"SET k \\x7f\\xff\\xff\\xff\\xff\\xff\\xff\\xff"},
       "BITFIELD k OVERFLOW SAT INCRBY i64 0 1",
       "k=\\x7f\\xff\\xff\\xff\\xff\\xff\\xff\\xff"},
      {{"SET k \\x80\\x00\\x00\\x00\\x00\\x00\\x00\\x00"},
       "BITFIELD k OVERFLOW SAT INCRBY i64 0 -1",
       "k=\\x80\\x00\\x00\\x00\\x00\\x00\\x00\\x00"},
      {{"SET k \\x7f\\xff\\xff\\xff\\xff\\xff\\xff\\xff"},
       "BITFIELD k INCRBY u63 1 2",
       "k=\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01"},
      {{}, "BITFIELD k SET u8 0 257", "k=\\x01"},
      {{}, "BITFIELD k OVERFLOW SAT SET u8 0 257", "k=\\xff"},
      {{"SET k \\x07"}, "BITFIELD k OVERFLOW FAIL SET u8 0 257", "k=\\x07"},
      {{}, "BITFIELD k SET u8 0 -1", "k=\\xff"},
      {{"SET k \\x07"}, "BITFIELD k OVERFLOW SAT SET u8 0 -1", "k=\\xff"},
      {{}, "BITFIELD k SET i4 0 8", "k=\\x80"},
      {{}, "BITFIELD k OVERFLOW SAT SET i4 0 8", "k=p"},
      {{}, "BITFIELD k OVERFLOW SAT SET i4 0 -9", "k=\\x80"},
      {{}, "BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775680", "k=\\x80"},
      {{}, "BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775681", "k=\\x7f"},
      {{}, "BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775808", "k=\\x7f"},
      {{}, "BITFIELD k SET i8 0 -9223372036854775807", "k=\\x01"},
      {{"SET k \\xff\\xff"},
       "BITFIELD k OVERFLOW SAT INCRBY u8 0 1 OVERFLOW WRAP INCRBY u8 8 1 OVERFLOW FAIL INCRBY u8 0 1",
       "k=\\xff\\x00"},
      {{"SET k \\xff"}, "BITFIELD k OVERFLOW FAIL INCRBY u8 0 1 SET u8 8 1", "k=\\xff\\x01"},
  });
}

TEST_CASE("BITFIELD: malformed operations have diverged, and none of the others is done") {
  check_diverged({
      {{"SET k a"}, "BITFIELD k SET u64 0 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u0 0 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET i65 0 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET U8 0 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET 8 0 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET \"\" 0 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u8 # 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u8 -1 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u8 #-1 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u8 4294967296 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u8 #536870912 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u8 4294967295 1", Reason::too_large},
      {{"SET k a"}, "BITFIELD k SET u8 #9223372036854775807 1", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u8 0", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u8 0 x", Reason::malformed},
      {{"SET k a"}, "BITFIELD k SET u8 0 65 FOO", Reason::malformed},
      {{"SET k a"}, "BITFIELD k OVERFLOW", Reason::malformed},
      {{"SET k a"}, "BITFIELD k OVERFLOW FOO SET u8 0 1", Reason::malformed},
  });
  World world;
  world.given({"SET k a"});
  CHECK(world.run("BITFIELD k GET u8 0") == ignored);
  CHECK(world.run("BITFIELD k") == ignored);
  CHECK(world.zero.text() == "k=a");
}

TEST_CASE("BITOP: shorter strings count as padded with zeros, an empty result deletes") {
  check({
      {{"SET a \\xf0\\xff", "SET b \\x3c"}, "BITOP AND d a b", "a=\\xf0\\xff b=< d=0\\x00"},
      {{"SET a \\xf0\\xff", "SET b \\x3c"}, "bitop or d a b", "a=\\xf0\\xff b=< d=\\xfc\\xff"},
      {{"SET a \\xf0\\xff", "SET b \\x3c"}, "BITOP XOR d b a", "a=\\xf0\\xff b=< d=\\xcc\\xff"},
      {{"SET a \\xf0\\xff"}, "BITOP NOT d a", "a=\\xf0\\xff d=\\x0f\\x00"},
      {{"SET a xyz"}, "BITOP AND d a", "a=xyz d=xyz"},
      {{"SET a xyz"}, "BITOP AND d a missing", "a=xyz d=\\x00\\x00\\x00"},
      {{"SET a abc", "SET b ABC", "SET c ..."}, "BITOP OR a a b c", "a=ono b=ABC c=..."},
      {{"SET d old PXAT 5", "SET a x"}, "BITOP OR d a", "a=x d=x"},
      {{"SET d old"}, "BITOP OR d missing", ""},
      {{"SET d old"}, "BITOP NOT d missing", ""},
  });
  check_diverged({
      {{"SET a x"}, "BITOP NOT d a a", Reason::malformed},
      {{"SET a x"}, "BITOP NAND d a a", Reason::malformed},
      {{"SET a x"}, "BITOP OR d", Reason::malformed},
  });
}
