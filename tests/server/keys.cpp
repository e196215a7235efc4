// Commands on keys and on whole databases: that they answer as redis-server does.
#include <doctest/doctest.h>

#include <string>
#include <tests/server/beside_redis.hpp>

namespace {

using served::BesideRedis;

TEST_CASE("DEL, UNLINK, EXISTS, TOUCH and TYPE answer as redis-server does") {
  BesideRedis both;
  both.same({"SET a 1",   "SET b 2",  "SET \"\" empty", "EXISTS a", "EXISTS a b c a", "EXISTS", "TOUCH a c a",
             "TOUCH",     "TYPE a",   "TYPE c",         "TYPE",     "TYPE a b",       "DEL c",  "DEL",
             "DEL a a c", "EXISTS a", "UNLINK b c",     "UNLINK",   "DEL \"\"",       "DBSIZE", "DBSIZE x"});
}

TEST_CASE("RENAME and RENAMENX answer as redis-server does") {
  BesideRedis both;
  both.same({"RENAME a b",   "RENAMENX a b",  "RENAME a a",   "SET a 1",    "RENAME a a",
             "RENAMENX a a", "RENAME a b",    "GET a",        "GET b",      "SET a 2",
             "RENAMENX a b", "GET b",         "RENAMENX a c", "GET c",      "PEXPIREAT b 4000000000000",
             "RENAME b c",   "PEXPIRETIME c", "SET d 1",      "RENAME d c", "PEXPIRETIME c",
             "RENAME a",     "RENAMENX a b c"});
}

TEST_CASE("COPY answers as redis-server does, within a database and to another") {
  BesideRedis both;
  both.same({"COPY a b",
             "SET a 1",
             "COPY a a",
             "COPY a a REPLACE",
             "COPY a a DB 0",
             "COPY a b",
             "GET b",
             "SET a 2",
             "COPY a b",
             "GET b",
             "COPY a b REPLACE",
             "GET b",
             "PEXPIREAT a 4000000000000",
             "COPY a c",
             "PEXPIRETIME c",
             "COPY a a DB 1",
             "COPY a a DB 1",
             "SET a 3",
             "COPY a a db 1 replace",
             "SELECT 1",
             "GET a",
             "PEXPIRETIME a",
             "SET z up",
             "COPY z z DB 0",
             "SELECT 0",
             "GET z",
             "COPY a b DB 16",
             "COPY a b DB -1",
             "COPY a b DB x",
             "COPY a b DB 99999999999",
             "COPY a b DB",
             "COPY a b NOPE",
             "COPY a",
             "COPY nothing b DB 1"});
}

TEST_CASE("MOVE answers as redis-server does") {
  BesideRedis both;
  both.same({"MOVE a 1",
             "SET a 1",
             "PEXPIREAT a 4000000000000",
             "MOVE a 0",
             "MOVE a 1",
             "EXISTS a",
             "SET a 2",
             "MOVE a 1",
             "GET a",
             "MOVE a 16",
             "MOVE a -1",
             "MOVE a x",
             "MOVE a 99999999999",
             "MOVE a",
             "SELECT 1",
             "GET a",
             "PEXPIRETIME a",
             "SET b 1",
             "MOVE b 0",
             "SELECT 0",
             "GET b"});
}

TEST_CASE("SWAPDB, FLUSHDB and FLUSHALL answer as redis-server does") {
  BesideRedis both;
  both.same({"SET a 0",
             "SELECT 1",
             "SET a 1",
             "SWAPDB 0 1",
             "GET a",
             "SELECT 0",
             "GET a",
             "SWAPDB 0 0",
             "GET a",
             "SWAPDB x 1",
             "SWAPDB 1 x",
             "SWAPDB 0 16",
             "SWAPDB -1 0",
             "SWAPDB 0 99999999999",
             "SWAPDB 0",
             "FLUSHDB NOPE",
             "FLUSHDB SYNC SYNC",
             "DBSIZE",
             "FLUSHDB",
             "DBSIZE",
             "SET b 1",
             "FLUSHDB SYNC",
             "SET b 1",
             "FLUSHDB ASYNC",
             "DBSIZE",
             "SELECT 1",
             "DBSIZE",
             "FLUSHALL NOPE",
             "FLUSHALL SYNC ASYNC",
             "DBSIZE",
             "FLUSHALL",
             "DBSIZE",
             "FLUSHALL sync",
             "FLUSHALL async"});
}

TEST_CASE("SORT of a string is refused, of nothing is empty, and stores nothing") {
  BesideRedis both;
  both.same({"SORT a",         "SORT_RO a",        "SORT a ASC DESC ALPHA LIMIT 0 1 BY x_* GET # GET y_*",
             "SET s 1",        "SORT s",           "SORT_RO s",
             "SORT s STORE d", "SET d 1",          "SORT a STORE d",
             "EXISTS d",       "SORT a STORE d",   "SORT_RO a STORE d",
             "SORT a LIMIT 0", "SORT a LIMIT x 1", "SORT a LIMIT 0 x",
             "SORT a BY",      "SORT a NOPE",      "SORT s NOPE",
             "SORT",           "SORT_RO"});
}

}  // namespace
