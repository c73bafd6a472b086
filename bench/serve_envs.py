"""What bench/serve-envs runs."""
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time

CONNECTIONS = int(os.environ.get("CONNECTIONS", 8))
SECONDS = float(os.environ.get("SECONDS_EACH", 5))
STEPS = 20
ACTIONS = {"babyai": ["turn left", "move forward"], "textcraft": ["inventory", "get 1 oak logs"]}


class Client:
    """HTTP over one kept connection, with as little work of its own as can be."""

    def __init__(self, port, base):
        self.place = ("127.0.0.1", port)
        self.base = base
        self.socket = socket.create_connection(self.place)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def request(self, path, body):
        return (f"POST {self.base}{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    def call(self, request):
        self.socket.sendall(request)
        data = self.rest
        while (head := data.find(b"\r\n\r\n")) < 0:
            data += self.receive()
        length = int(re.search(rb"content-length: *(\d+)", data[:head], re.I).group(1))
        end = head + 4 + length
        while len(data) < end:
            data += self.receive()
        self.rest = data[end:]
        if not data.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(data[:200])
        return data[head + 4:end]

    def receive(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data


def play(port, base, name, index, until, counts):
    client = Client(port, base)
    made = json.loads(client.call(client.request("/create", "{}")))["id"]
    steps = [client.request("/step", json.dumps({"id": made, "action": action})) for action in ACTIONS[name]]
    done = 0
    while time.perf_counter() < until:
        client.call(client.request("/reset", json.dumps({"id": made, "data_idx": index % 100})))
        for step in range(STEPS):
            client.call(steps[step % len(steps)])
        done += 1 + STEPS
        index += CONNECTIONS
    counts.append(done)


def measure(port, base, name):
    counts = []
    start = time.perf_counter()
    threads = [threading.Thread(target=play, args=(port, base, name, i, start + SECONDS, counts))
               for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) < CONNECTIONS:
        raise RuntimeError(f"{name}: connections failed")
    return sum(counts) / (time.perf_counter() - start)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port, process):
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            if process.poll() is not None:
                return False
            time.sleep(0.1)
    return False


def main():
    sojourn = sys.argv[1]
    port = free_port()
    processes = [subprocess.Popen([sojourn, "serve-envs", "--port", str(port), "--envs", "babyai,textcraft"],
                                  stdout=subprocess.DEVNULL)]
    servers = {"ours": {name: (port, "/" + name) for name in ACTIONS}}
    if not wait_for(port, processes[0]):
        sys.exit("serve-envs does not start")
    agentgym = os.environ.get("AGENTGYM")
    if agentgym:
        servers["AgentGym"] = {}
        for name in ACTIONS:
            peer_port = free_port()
            folder = os.path.join(agentgym, "agentenv-" + name)
            path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))
            process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", f"agentenv_{name}:app", "--port", str(peer_port),
                 "--log-level", "warning"], cwd=folder, stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path})
            processes.append(process)
            if wait_for(peer_port, process):
                servers["AgentGym"][name] = (peer_port, "")
            else:
                print(f"AgentGym's {name} server does not start; it is left out")
    try:
        for name in ACTIONS:
            rates = {who: [] for who in servers if name in servers[who]}
            for _ in range(3):
                for who in rates:
                    rates[who].append(measure(*servers[who][name], name))
            medians = {who: statistics.median(values) for who, values in rates.items()}
            text = ", ".join(f"{who} {value:,.0f}" for who, value in medians.items())
            ratio = f", ratio {medians['ours'] / medians['AgentGym']:.1f}" if "AgentGym" in medians else ""
            print(f"{name}: requests/s {text}{ratio}", flush=True)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


main()
