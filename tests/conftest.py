"""What every test may use. The fixtures, by file:

fixtures/logs.py      expect_log: announces log lines; a test fails on any other warning or line of Tornado's
fixtures/loop.py      io_loop: the event loop of one test (pytest-tornado's gen_test, http_client, … use it)
fixtures/backends.py  backend: where servers keep their data; a folder overrides it to run on both
fixtures/server.py    start_server, server: the real server in a process of its own, on a free port
fixtures/s3.py        s3_server: a real S3 server, one for the whole run
fixtures/mariadb.py   mysql_url: an empty database; mariadb: the server of the run; own_mariadb: one to be killed
fixtures/emptied.py   emptied_database, database_of: one database of a MySQL server for many tests
fixtures/nginx.py     open_nginx: a real nginx with the configuration of deploy/, in front of a server
fixtures/browser.py   open_page: a page in a Chromium context of its own, one for each person of a test
fixtures/tls.py       certificate: for a server that speaks TLS on 127.0.0.1
fixtures/services.py  require(program, reason): its path, or the test is skipped, or fails where all is required
"""

pytest_plugins = (
    "pytester",  # for the tests of the fixtures themselves
    "tests.fixtures.logs",
    "tests.fixtures.loop",
    "tests.fixtures.mariadb",  # each before those that import it
    "tests.fixtures.emptied",
    "tests.fixtures.backends",
    "tests.fixtures.server",
    "tests.fixtures.s3",
    "tests.fixtures.browser",
    "tests.fixtures.tls",
)
