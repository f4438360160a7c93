"""The other side of a classic program, for the interop test: what Python's own struct, json, hmac and strftime make of it.

Usage: peer.py PROGRAM serve|call PORT. A serving peer takes a free port and prints it first. What was received is printed,
one Python literal a line.
"""
import hmac
import json
import os
import socket
import struct
import subprocess
import sys
import time

program, role, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
RECV = 1024
COMMANDS = ['echo 你好', 'head -c 300000 /dev/zero | tr "\\0" x', 'true', 'echo err >&2']


def show(value):
    print(ascii(value), flush=True)


def tcp():
    if role == 'call':
        return socket.create_connection(('127.0.0.1', port))
    with socket.create_server(('127.0.0.1', 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        return listener.accept()[0]


def udp():
    endpoint = socket.socket(type=socket.SOCK_DGRAM)
    if role == 'call':
        endpoint.connect(('127.0.0.1', port))
    else:
        endpoint.bind(('127.0.0.1', 0))
        print(endpoint.getsockname()[1], flush=True)
    return endpoint


def exactly(line, size):
    data = b''
    while len(data) < size:
        piece = line.recv(min(size - len(data), 65536))
        if not piece:
            raise EOFError
        data += piece
    return data


def run(command):
    done = subprocess.run(command, shell=True, capture_output=True)
    return done.stdout + done.stderr


def talk(line):
    if role == 'call':
        line.sendall('在吗'.encode())
    while (said := line.recv(RECV)) not in (b'bye', b''):
        show(said.decode())
        line.sendall('好'.encode())
    line.sendall(b'bye')


def desk(line):
    if role == 'call':
        line.sendall('老王: 在吗'.encode())
        show(line.recv(RECV).decode())
        line.sendall(b'q')
    else:
        show(line.recv(RECV).decode())
        line.sendall('请说'.encode())
        show(line.recv(RECV).decode())


def take(line, framing):
    if framing == 'raw':
        return line.recv(RECV)
    if framing == 'struct':
        return exactly(line, struct.unpack('i', exactly(line, 4))[0])
    size = int(line.recv(RECV).decode())
    line.sendall(b'ok')
    return exactly(line, size)


def give(line, framing, output):
    if framing == 'struct':
        line.sendall(struct.pack('i', len(output)))
    elif framing == 'length':
        line.sendall(str(len(output)).encode())
        assert line.recv(RECV) == b'ok'
    line.sendall(output)


def control(line, framing):
    if role == 'serve':
        for command in COMMANDS[:1] if framing == 'raw' else COMMANDS:
            line.sendall(command.encode('gbk'))
            show(take(line, framing).decode('gbk'))
        line.sendall(b'q')
    else:
        while (command := line.recv(RECV).decode('gbk')) not in ('q', ''):
            show(command)
            # The machine of this peer prints GBK.
            give(line, framing, run(command).decode().encode('gbk'))


def execute(line):
    if role == 'serve':
        while command := line.recv(RECV).decode():
            show(command)
            output = run(command).decode().encode('gbk')
            header = json.dumps({'total_size': len(output)}).encode()
            line.sendall(struct.pack('i', len(header)) + header)
            line.sendall(output)
    else:
        for command in COMMANDS:
            line.sendall(command.encode())
            header = json.loads(exactly(line, struct.unpack('i', exactly(line, 4))[0]))
            show(exactly(line, header['total_size']).decode('gbk'))


def challenge(line, digest):
    if role == 'serve':
        nonce = os.urandom(32)
        line.sendall(nonce)
        show(hmac.compare_digest(hmac.new(b'wyb', nonce, digest).digest(), line.recv(RECV)))
    else:
        line.sendall(hmac.new(b'wyb', line.recv(RECV), digest).digest())


def clock(endpoint):
    if role == 'serve':
        for _ in range(2):
            question, caller = endpoint.recvfrom(RECV)
            show(question.decode())
            now = time.strptime('2018-05-08 20:30:15', '%Y-%m-%d %H:%M:%S')
            endpoint.sendto(time.strftime(question.decode() or '%Y-%m-%d %X', now).encode(), caller)
    else:
        for question in ['', '%Y %m %d', '%A, %j']:
            before = time.strftime(question or '%Y-%m-%d %X')
            endpoint.send(question.encode())
            answer = endpoint.recv(RECV).decode()
            show(answer in (before, time.strftime(question or '%Y-%m-%d %X')) or len(answer) == len(before))


def qq(endpoint):
    if role == 'serve':
        said, caller = endpoint.recvfrom(RECV)
        show(said.decode())
        endpoint.sendto('吃了吗'.encode(), caller)
        show(endpoint.recv(RECV).decode())
        endpoint.sendto(b'bye', caller)
    else:
        endpoint.send('\033[32m来自小李的消息: 你好\033[0m'.encode())
        show(endpoint.recv(RECV).decode())


PROGRAMS = {
    'talk': lambda: talk(tcp()),
    'desk': lambda: desk(tcp()),
    'raw': lambda: control(tcp(), 'raw'),
    'length': lambda: control(tcp(), 'length'),
    'struct': lambda: control(tcp(), 'struct'),
    'exec': lambda: execute(tcp()),
    'md5': lambda: challenge(tcp(), 'md5'),
    'sha256': lambda: challenge(tcp(), 'sha256'),
    'time': lambda: clock(udp()),
    'qq': lambda: qq(udp()),
}
PROGRAMS[program]()
