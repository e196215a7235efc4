// Strings as arrays of bits, beside a redis-server.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <tests/server/beside_redis.hpp>
#include <tests/server/served.hpp>

namespace {

using served::BesideRedis;

TEST_CASE("SETBIT and GETBIT answer as redis-server does") {
  BesideRedis both;
  both.same({"GETBIT k 0", "SETBIT k 7 1", "SETBIT k 7 1", "SETBIT k 0 1", "SETBIT k 0 0", "GET k",
             "SETBIT k 20 0", "GET k", "SETBIT k 21 1", "GETBIT k 21", "GETBIT k 22", "GETBIT k 4294967295",
             "STRLEN k"});
  both.same({"SETBIT k -1 1", "SETBIT k x 1", "SETBIT k 4294967296 1", "SETBIT k 1 2", "SETBIT k 1 -1",
             "SETBIT k 1 x", "SETBIT k x x", "SETBIT k 1 01", "GETBIT k -1", "GETBIT k x",
             "GETBIT k 4294967296", "GETBIT nope 4294967296", "GET k"});
}

TEST_CASE("BITCOUNT counts every range as redis-server does") {
  BesideRedis both;
  both.same({"SET k \"\\xff\\x00\\x0f\\xa5\\x01\\x80\\x7e\\x3c\\x55\\xaa\\xff\"", "SET short \"\\x3d\"",
             "SET e \"\"", "BITCOUNT k", "BITCOUNT e", "BITCOUNT nope", "BITCOUNT short"});
  for (const std::string unit : {"", " BYTE", " bit"}) {
    for (int first = -13; first <= 13; ++first) {
      for (int last = -13; last <= 13; ++last) {
        const std::string range = std::to_string(first) + " " + std::to_string(last) + unit;
        both.same("BITCOUNT k " + range);
        if (first % 4 == 0) both.same("BITCOUNT short " + range);
      }
    }
    both.same("BITCOUNT e 0 -1" + unit);
    both.same("BITCOUNT k 3 77" + unit);
    both.same("BITCOUNT k -9223372036854775808 9223372036854775807" + unit);
  }
  both.same({"BITCOUNT k 0", "BITCOUNT k 0 1 bits", "BITCOUNT k 0 1 BIT x", "BITCOUNT k x 1",
             "BITCOUNT k 1 x", "BITCOUNT k -1 -2 bits", "BITCOUNT nope 0", "BITCOUNT nope x y z",
             "BITCOUNT nope 0 1 BIT x"});
}

TEST_CASE("BITPOS finds in every range what redis-server finds") {
  BesideRedis both;
  both.same({"SET k \"\\x00\\x00\\x0f\\xa5\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xf7\"", "SET e \"\"",
             "SET ones \"\\xff\\xff\"",
             "SET zeros \"\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\""});
  for (const std::string key : {"k", "e", "ones", "zeros", "nope"}) {
    for (const std::string bit : {" 0", " 1"}) {
      both.same("BITPOS " + key + bit);
      for (int first = -14; first <= 14; ++first) {
        const std::string begin = "BITPOS " + key + bit + " " + std::to_string(first);
        both.same(begin);
        for (int last = -14; last <= 14; last += 3) {
          const std::string range = begin + " " + std::to_string(last);
          both.same(range);
          both.same(range + " byte");
          both.same(range + " BIT");
        }
      }
      both.same("BITPOS " + key + bit + " 33 98 BIT");
      both.same("BITPOS " + key + bit + " 33 101 BIT");
    }
  }
  both.same({"BITPOS k 2", "BITPOS k x", "BITPOS k -1", "BITPOS k 1 x", "BITPOS k 1 0 x",
             "BITPOS k 1 0 -1 bits", "BITPOS k 1 0 x bits", "BITPOS k 1 x 1 bits", "BITPOS k 1 0 -1 BIT x",
             "BITPOS nope 2", "BITPOS nope 1 x", "BITPOS nope 0 0 0 bits x", "BITPOS k"});
}

TEST_CASE("BITOP combines as redis-server does") {
  BesideRedis both;
  both.same({"SET a \"\\xff\\x0f\\x55\\x01\"", "SET b \"\\x3c\\xf0\"",
             "SET c \"\\x01\\x02\\x03\\x04\\x05\\x06\"", "SET e \"\"", "SET d old EX 1000"});
  for (const std::string operation : {"AND", "or", "XOR"}) {
    for (const std::string_view keys : {"a", "a b", "b a", "a b c", "c b a", "a nope", "nope a", "a e", "e",
                                        "nope", "nope e", "a a", "d a d"}) {
      both.same("BITOP " + operation + " d " + std::string(keys));
      both.same("GET d");
    }
  }
  both.same({"BITOP NOT d a", "GET d", "BITOP not d d", "GET d", "BITOP NOT d e", "GET d", "BITOP NOT d nope",
             "BITOP NOT d a b", "BITOP NOT", "BITOP NAND d a", "BITOP AND d", "SET d x", "BITOP AND d nope",
             "GET d"});
}

TEST_CASE("BITFIELD reads and writes fields of every kind as redis-server does") {
  BesideRedis both;
  both.same({"BITFIELD k GET u8 0 GET i5 100", "GET k", "BITFIELD k SET u8 0 255 GET u4 0 GET i4 2", "GET k",
             "BITFIELD k INCRBY i5 100 1 GET u4 0", "BITFIELD k SET i64 #1 -2 GET i64 64 GET u63 65",
             "BITFIELD k set U8 0 1", "bitfield k get u1 0 incrby u2 #3 3", "BITFIELD k", "BITFIELD nope",
             "BITFIELD k OVERFLOW WRAP", "BITFIELD_RO k GET u8 #1 GET i8 1000", "BITFIELD_RO k",
             "BITFIELD_RO nope GET u8 0", "GET k", "STRLEN k"});
  for (const std::string overflow : {"WRAP", "sat", "FAIL"}) {
    for (const std::string type : {"u1", "u2", "i1", "i2", "u8", "i8", "i63", "u63", "i64"}) {
      for (const std::string number :
           {"0", "1", "-1", "2", "127", "128", "-128", "-129", "255", "256", "300", "9223372036854775807",
            "-9223372036854775808", "4611686018427387904"}) {
        const std::string field = type + " 3 " + number;
        both.same("BITFIELD f OVERFLOW " + overflow + " SET " + field + " INCRBY " + field + " INCRBY " +
                  field + " GET " + type + " 3");
      }
    }
  }
  both.same({"BITFIELD g OVERFLOW FAIL SET u2 100 9", "GET g", "STRLEN g"});
}

TEST_CASE("BITFIELD: null is null in the words of RESP3") {
  BesideRedis both;
  static_cast<void>(both.both("HELLO 3"));
  both.same({"BITFIELD k OVERFLOW FAIL INCRBY u1 0 2 GET u8 0", "BITFIELD_RO k GET u8 0"});
}

TEST_CASE("BITFIELD: what is malformed is refused in the words of redis-server, and nothing is written") {
  BesideRedis both;
  for (const std::string name : {"BITFIELD", "BITFIELD_RO"}) {
    for (const std::string_view rest : {"GET",
                                        "GET u8",
                                        "GET u8 x",
                                        "GET u8 -1",
                                        "GET u8 #-1",
                                        "GET u8 #x",
                                        "GET u8 4294967296",
                                        "GET u8 4294967295",
                                        "GET u8 4294967294",
                                        "GET u8 #536870911",
                                        "GET u8 #536870912",
                                        "GET u64 0",
                                        "GET i65 0",
                                        "GET u0 0",
                                        "GET i0 0",
                                        "GET u 0",
                                        "GET x8 0",
                                        "GET 8 0",
                                        "GET u8x 0",
                                        "GET \"\" 0",
                                        "GET u8 \"\"",
                                        "SET u8 0",
                                        "SET u8 0 x",
                                        "SET u64 0 1",
                                        "SET u8 x y",
                                        "INCRBY u8 0",
                                        "INCRBY u8 0 1.5",
                                        "INCRBY u8 0 9223372036854775808",
                                        "OVERFLOW",
                                        "OVERFLOW x",
                                        "OVERFLOW WRAP GET",
                                        "NOPE u8 0",
                                        "GET u8 0 NOPE",
                                        "SET u8 0 1 GET u8 x",
                                        "OVERFLOW FAIL SET u8 0 1",
                                        "SET u8 0 65 GET u64 0"}) {
      both.same(name + " k " + std::string(rest));
    }
    both.same("GET k");
  }
}

}  // namespace
