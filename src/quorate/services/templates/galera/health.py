"""Answers HAProxy whether this database node is fit: 200 when it is synced with the primary component.

Usage: health.py ADDRESS PORT SOCKET DONOR_S. Written by quorate; runs as the account that MariaDB runs as.

An answer is kept for FRESH_S, so that three load balancers cost one query. A database that does not answer
within DEADLINE_S (stopped, out of disk, out of threads) is not fit, and the next question tries it anew.

A donor is fit for its first DONOR_S: sending what a node missed takes moments and hinders nobody, and the
writer must not change for it. A full copy takes longer, and with rsync the donor cannot commit meanwhile.
"""

import socketserver
import sys
import threading
import time

import pymysql
import pymysql.connections

FRESH_S = 0.2
DONOR, SYNCED = "2", "4"
"""wsrep_local_state (Galera, status variables)."""
DEADLINE_S = 0.3
QUERY = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN"
    " ('wsrep_ready', 'wsrep_local_state', 'wsrep_local_state_comment')"
)


class Database:
    """One connection to the local database, asked by one thread at a time.

    Args:
        socket: the database's.
        donor_s: how long it is fit while it sends to another, seconds.
    """

    def __init__(self, socket: str, donor_s: float = 0.0) -> None:
        self.socket, self.donor_s = socket, donor_s
        self.donor_since: float | None = None
        self.lock = threading.Lock()
        self.connection: pymysql.connections.Connection | None = None
        self.answer = (False, "not asked yet")
        self.asked_at = -FRESH_S

    def fit(self) -> tuple[bool, str]:
        """Whether it is fit, and why not."""
        if not self.lock.acquire(timeout=2 * DEADLINE_S):
            return False, "no answer in time"
        try:
            if time.monotonic() - self.asked_at >= FRESH_S:
                self.answer = self.ask()
                self.asked_at = time.monotonic()
            return self.answer
        finally:
            self.lock.release()

    def ask(self) -> tuple[bool, str]:
        """Ask the database itself; on a new connection once, where the old one had been closed meanwhile."""
        for attempt in range(2):
            kept = self.connection is not None
            try:
                database = self.connection
                if database is None:
                    database = self.connection = pymysql.connect(
                        unix_socket=self.socket,
                        user="mysql",
                        connect_timeout=DEADLINE_S,
                        read_timeout=DEADLINE_S,
                        write_timeout=DEADLINE_S,
                    )
                with database.cursor() as cursor:
                    cursor.execute(QUERY)
                    state = dict(cursor.fetchall())
            except (pymysql.MySQLError, OSError) as error:
                self.forget()
                timed_out = isinstance(error, TimeoutError) or "timed out" in str(error)
                if kept and attempt == 0 and not timed_out:
                    continue
                return False, str(error)
            fit = state.get("wsrep_ready") == "ON" and self.serves(state.get("wsrep_local_state", ""))
            return fit, state.get("wsrep_local_state_comment", "no wsrep state")
        return False, "unreachable"

    def serves(self, state: str) -> bool:
        """Whether a node in this wsrep_local_state can commit."""
        now = time.monotonic()
        if state != DONOR:
            self.donor_since = None
            return state == SYNCED
        if self.donor_since is None:
            self.donor_since = now
        return now - self.donor_since < self.donor_s

    def forget(self) -> None:
        """Drop the connection without a farewell, which would wait for the database."""
        if self.connection is not None:
            self.connection._force_close()
            self.connection = None


class Handler(socketserver.StreamRequestHandler):
    """One request, one answer, connection closed."""

    timeout = 1.0
    server: "Server"

    def handle(self) -> None:
        try:
            while self.rfile.readline(4096).strip():
                pass
            fit, text = self.server.database.fit()
            status = "200 OK" if fit else "503 Service Unavailable"
            body = f"{text}\n".encode()
            head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            self.wfile.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        except OSError:
            # The one who asked has gone, or never said what it wanted: there is nobody to answer.
            return


class Server(socketserver.ThreadingTCPServer):
    """A thread a request, none of which outlives the process."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], database: Database) -> None:
        self.database = database
        super().__init__(address, Handler)


if __name__ == "__main__":
    Server((sys.argv[1], int(sys.argv[2])), Database(sys.argv[3], float(sys.argv[4]))).serve_forever(
        poll_interval=60
    )
