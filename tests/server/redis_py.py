"""What programs do with redis-py (Debian: python3-redis), against the server on a port.

    redis_py.py PORT [PASSWORD [CERTIFICATES]]

CERTIFICATES is a folder with ca.crt, client.crt and client.key; the port then speaks TLS.
Ends with the first thing that is not as a redis-server has it.
"""

import sys
import threading

import redis

PORT = int(sys.argv[1])
PASSWORD = (sys.argv[2] if len(sys.argv) > 2 else "") or None
CERTIFICATES = sys.argv[3] if len(sys.argv) > 3 else None
TLS = {
    "ssl_ca_certs": f"{CERTIFICATES}/ca.crt",
    "ssl_certfile": f"{CERTIFICATES}/client.crt",
    "ssl_keyfile": f"{CERTIFICATES}/client.key",
    "ssl_check_hostname": True,
} if CERTIFICATES else {}
PATIENCE = 60


def connect(**options):
    options.setdefault("password", PASSWORD)
    return redis.Redis(
        host="127.0.0.1", port=PORT, socket_timeout=PATIENCE, ssl=bool(TLS), **TLS, **options
    )


def raises(error, call, *arguments, saying=""):
    try:
        call(*arguments)
    except error as raised:
        assert saying in str(raised), raised
        return
    raise AssertionError(f"{error.__name__} was not raised")


def values_and_types():
    server = connect()
    assert server.ping() is True
    assert server.set("key", b"\x00\xff") is True
    assert server.get("key") == b"\x00\xff"
    assert server.get("missing") is None
    assert server.set("key", "other", nx=True) is None
    assert server.set("key", "next", get=True) == b"\x00\xff"
    assert server.incr("counter") == 1
    assert server.incrbyfloat("float", 2.5) == 2.5
    assert server.mset({"a": 1, "b": 2.5}) is True
    assert server.mget("a", "b", "missing") == [b"1", b"2.5", None]
    assert server.expire("a", 100) is True
    assert 0 < server.ttl("a") <= 100
    assert server.setex("brief", 100, "v") is True
    assert server.getdel("brief") == b"v"
    assert server.exists("a", "b", "missing") == 2
    assert server.delete("a", "b", "missing") == 2
    assert server.type("key") == b"string"
    assert server.rename("key", "renamed") is True
    assert server.setbit("bits", 7, 1) == 0
    assert server.bitcount("bits") == 1
    assert server.append("text", "Hello World") == 11
    assert server.getrange("text", 0, 4) == b"Hello"
    assert "text" in server
    raises(redis.ResponseError, server.incr, "text", saying="value is not an integer or out of range")
    raises(redis.ResponseError, server.execute_command, "NOSUCH", saying="unknown command")
    raises(redis.ResponseError, server.execute_command, "GET", saying="wrong number of arguments")


def decoded_replies():
    server = connect(decode_responses=True, db=3)
    assert server.set("name", "größe") is True
    assert server.get("name") == "größe"
    assert server.keys("n*") == ["name"]
    assert server.randomkey() == "name"
    assert server.dbsize() == 1
    assert connect().get("name") is None
    server.flushdb()


def what_the_server_tells():
    server = connect(decode_responses=True, client_name="asker")
    information = server.info()
    assert information["role"] == "master"
    assert information["tcp_port"] == PORT
    assert information["redis_version"].startswith("7.")
    assert server.info("replication")["connected_slaves"] == 0
    assert server.client_getname() == "asker"
    assert "asker" in [client["name"] for client in server.client_list()]
    assert server.client_info()["name"] == "asker"
    assert server.config_get("maxclients") == {"maxclients": "10000"}
    assert server.config_set("slowlog-log-slower-than", 0) is True
    server.set("slow", "1")
    assert b"SET slow 1" in [entry["command"] for entry in server.slowlog_get(128)]
    assert server.config_set("slowlog-log-slower-than", 10000) is True
    assert server.slowlog_reset() is True
    assert server.command()["get"]["arity"] == 2
    assert server.command_count() == len(server.command())
    assert server.command_getkeys("MSET", "x", "1", "y", "2") == ["x", "y"]
    assert len(server.time()) == 2
    assert server.role()[0] == "master"
    assert server.memory_usage("slow") > 0
    assert server.object("encoding", "slow") == "int"
    assert server.echo("text") == "text"
    assert server.dbsize() == len(server.keys("*"))
    assert server.restore("copied", 0, connect().dump("slow")) == "OK"
    assert server.get("copied") == "1"
    assert server.wait(0, 100) == 0


def pipelines():
    server = connect(decode_responses=True)
    with server.pipeline(transaction=False) as pipe:
        for number in range(5000):
            pipe.set(f"piped:{number}", number)
        for number in range(5000):
            pipe.get(f"piped:{number}")
        replies = pipe.execute()
    assert replies[:5000] == [True] * 5000
    assert replies[5000:] == [str(number) for number in range(5000)]
    with server.pipeline(transaction=False) as pipe:
        pipe.incr("piped:sum", 5).incr("text").get("piped:sum")
        replies = pipe.execute(raise_on_error=False)
    assert replies[0] == 5 and replies[2] == "5"
    assert isinstance(replies[1], redis.ResponseError)


def transactions():
    server = connect(decode_responses=True)
    with server.pipeline() as pipe:
        assert pipe.set("t", 1).incr("t").mget("t", "missing").execute() == [True, 2, ["2", None]]

    with server.pipeline() as pipe:
        pipe.watch("t")
        assert pipe.get("t") == "2"  # at once, before MULTI
        pipe.multi()
        pipe.incr("t")
        assert pipe.execute() == [3]

    with server.pipeline() as pipe:
        pipe.watch("t")
        server.set("t", "by another")
        pipe.multi()
        pipe.set("t", "lost")
        raises(redis.WatchError, pipe.execute)
    assert server.get("t") == "by another"

    with server.pipeline() as pipe:
        pipe.set("t", 1).execute_command("NOSUCH")
        raises(redis.ResponseError, pipe.execute, saying="unknown command")
    assert server.get("t") == "by another"

    def add_one(pipe):
        value = int(pipe.get("sum"))
        pipe.multi()
        pipe.set("sum", value + 1)

    server.set("sum", 0)

    def add_many():
        for _ in range(50):
            server.transaction(add_one, "sum")

    adders = [threading.Thread(target=add_many) for _ in range(4)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert server.get("sum") == "200"


def next_message(subscription):
    message = subscription.get_message(timeout=PATIENCE)
    return message and (message["type"], message["pattern"], message["channel"], message["data"])


def messages():
    server = connect(decode_responses=True)
    subscription = server.pubsub()
    subscription.subscribe("news", "more")
    subscription.psubscribe("n?ws")
    assert next_message(subscription) == ("subscribe", None, "news", 1)
    assert next_message(subscription) == ("subscribe", None, "more", 2)
    assert next_message(subscription) == ("psubscribe", None, "n?ws", 3)
    assert server.publish("news", "one") == 2
    assert next_message(subscription) == ("message", None, "news", "one")
    assert next_message(subscription) == ("pmessage", "n?ws", "news", "one")
    assert server.pubsub_channels() == ["more", "news"] or server.pubsub_channels() == ["news", "more"]
    assert server.pubsub_numsub("news", "none") == [("news", 1), ("none", 0)]
    assert server.pubsub_numpat() == 1
    subscription.ping()
    assert next_message(subscription) == ("pong", None, None, "")
    subscription.unsubscribe()
    assert {next_message(subscription)[:3], next_message(subscription)[:3]} == {
        ("unsubscribe", None, "news"),
        ("unsubscribe", None, "more"),
    }
    subscription.close()


def messages_to_a_thread():
    server = connect(decode_responses=True)
    heard = []
    all_heard = threading.Event()

    def hear(message):
        heard.append(message["data"])
        if len(heard) == 100:
            all_heard.set()

    subscription = server.pubsub(ignore_subscribe_messages=True)
    subscription.subscribe(**{"thread": hear})
    thread = subscription.run_in_thread(sleep_time=0.01, daemon=True)
    for number in range(100):
        assert server.publish("thread", number) == 1
    assert all_heard.wait(PATIENCE)
    thread.stop()
    thread.join()
    assert heard == [str(number) for number in range(100)]


def key_events():
    server = connect(decode_responses=True)
    assert server.config_set("notify-keyspace-events", "KEA") is True
    subscription = server.pubsub(ignore_subscribe_messages=True)
    subscription.psubscribe("__key*__:*")
    while not subscription.subscribed or server.pubsub_numpat() == 0:
        pass
    server.set("watched", 1)
    found = set()
    while len(found) < 2:
        message = subscription.get_message(timeout=PATIENCE)
        if message:
            found.add((message["channel"], message["data"]))
    assert found == {("__keyspace@0__:watched", "set"), ("__keyevent@0__:set", "watched")}
    subscription.close()
    assert server.config_set("notify-keyspace-events", "") is True


def scans():
    server = connect(decode_responses=True, db=5)
    names = {f"scan:{number}" for number in range(1000)}
    server.mset({name: "v" for name in names})
    server.set("else", "v")
    assert set(server.scan_iter("scan:*")) == names
    assert set(server.scan_iter(count=500)) == names | {"else"}
    assert set(server.scan_iter(_type="string")) == names | {"else"}
    assert set(server.scan_iter(_type="list")) == set()
    server.flushdb()
    assert list(server.scan_iter()) == []


def monitor():
    server = connect(decode_responses=True)
    with server.monitor() as watch:
        server.set("monitored", "a b")
        command = watch.next_command()
        while command["command"].startswith("AUTH"):  # of the connection that SET goes over
            command = watch.next_command()
    assert command["command"] == "SET monitored a b"
    assert command["db"] == 0


def shared_by_threads():
    server = connect()
    server.delete("shared")
    adders = [
        threading.Thread(target=lambda: [server.incr("shared") for _ in range(200)]) for _ in range(8)
    ]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert server.get("shared") == b"1600"


def locks():
    server = connect()
    # redis-py's own lock runs scripts; this is the one of one SET and one compared value.
    assert server.set("lock", "mine", nx=True, px=60000) is True
    assert server.set("lock", "yours", nx=True, px=60000) is None
    assert 0 < server.pttl("lock") <= 60000
    assert server.delete("lock") == 1


def urls():
    login = f":{PASSWORD}@" if PASSWORD else ""
    scheme = "rediss" if TLS else "redis"
    server = redis.Redis.from_url(
        f"{scheme}://{login}127.0.0.1:{PORT}/2", decode_responses=True, **TLS
    )
    assert server.set("by", "url") is True
    assert server.get("by") == "url"
    assert server.flushdb() is True
    server.close()


def logins():
    if PASSWORD is None:
        return
    named = connect(username="default")
    assert named.ping() is True
    assert named.acl_whoami() == "default"
    raises(redis.AuthenticationError, connect(password=None).ping, saying="Authentication required")
    raises(redis.ResponseError, connect(password="wrong").ping, saying="WRONGPASS")
    raises(redis.ResponseError, connect(username="nobody").ping, saying="WRONGPASS")
    raises(redis.ResponseError, connect(db=99).ping, saying="DB index is out of range")


def users():
    server = connect()
    assert server.acl_whoami() == "default"
    assert server.acl_setuser(
        "py", enabled=True, passwords=["+first", "+second"], commands=["+get", "+acl|whoami"], keys=["a*"]
    )
    user = connect(username="py", password="second")
    assert user.acl_whoami() == "py"
    assert user.get("a1") is None
    raises(redis.exceptions.NoPermissionError, user.get, "b", saying="one of the keys")
    raises(redis.exceptions.NoPermissionError, user.set, "a1", "v", saying="'set' command")
    assert server.acl_dryrun("py", "get", "a2") == b"OK" if hasattr(server, "acl_dryrun") else True
    told = server.acl_getuser("py")
    assert "on" in told["flags"] and len(told["passwords"]) == 2, told
    assert sorted(server.acl_users()) == ["default", "py"]
    assert [line.split()[1] for line in server.acl_list()] == ["default", "py"]
    assert server.acl_log()[0]["username"] == "py"
    assert server.acl_log_reset() is True
    assert server.acl_deluser("py") == 1
    raises(redis.RedisError, user.ping)  # its link is closed: it finds that out, or fails to log in again
    raises(redis.ResponseError, connect(username="py", password="second").ping, saying="WRONGPASS")


if __name__ == "__main__":
    connect().flushall()
    for check in (
        values_and_types,
        decoded_replies,
        what_the_server_tells,
        pipelines,
        transactions,
        messages,
        messages_to_a_thread,
        key_events,
        scans,
        monitor,
        shared_by_threads,
        locks,
        urls,
        logins,
        users,
    ):
        print(check.__name__, flush=True)
        check()
    print("all as expected")
