"""The other side of the encrypted file server, for the interop test: what Python's own random, pickle and zlib make of it,
and Markov Encryption as it is defined, one sum a byte.

Usage: files_peer.py serve PASSWORD CONTENT_HEX: a free port is printed first, then what the caller asked and answered.
       files_peer.py call PASSWORD PORT NAME yes|no: what the server answered is printed, then its content in hex.
"""
import collections
import pickle
import pickletools
import random
import socket
import sys
import zlib

role, password = sys.argv[1:3]
SIZE = 256


class Stream:
    def __init__(self):
        chaos = random.Random(password)
        alphabet = list(range(SIZE))
        blocks = []
        for _ in range(SIZE):
            chaos.shuffle(alphabet)
            blocks.append(alphabet[:])
        self.base = blocks[0]
        self.place = {byte: at for at, byte in enumerate(self.base)}
        self.shifts = [[self.place[byte] for byte in block] for block in blocks[1:]]
        self.turn = sum(shift[0] for shift in self.shifts[:-1])
        chaos = random.Random(password)
        primer = [chaos.choice(self.base) for _ in self.shifts]
        self.passed = collections.deque(reversed(primer), len(primer))

    def met(self):
        return sum(shift[value] for shift, value in zip(self.shifts, self.passed)) - self.turn

    def encrypt(self, data):
        coded = bytearray()
        for value in data:
            coded.append(self.base[(self.met() + value) % SIZE])
            self.passed.appendleft(value)
        return bytes(coded)

    def decrypt(self, data):
        plain = bytearray()
        for byte in data:
            plain.append((self.place[byte] - self.met()) % SIZE)
            self.passed.appendleft(plain[-1])
        return bytes(plain)


def show(value):
    print(ascii(value), flush=True)


class Objects:
    def __init__(self, line):
        self.line, self.file = line, line.makefile('rb')
        self.sending, self.receiving = Stream(), Stream()

    def send(self, value):
        data = zlib.compress(pickletools.optimize(pickle.dumps(value, pickle.HIGHEST_PROTOCOL)), 9)
        self.line.sendall(self.sending.encrypt((len(data) - 1).to_bytes(2, 'little') + data))

    def receive(self):
        size = int.from_bytes(self.receiving.decrypt(self.file.read(2)), 'little') + 1
        return pickle.loads(zlib.decompress(self.receiving.decrypt(self.file.read(size))))


def serve():
    content = bytes.fromhex(sys.argv[3])
    with socket.create_server(('127.0.0.1', 0)) as listener:
        show(listener.getsockname()[1])
        objects = Objects(listener.accept()[0])
    show(objects.receive())
    objects.send(len(content))
    answer = objects.receive()
    show(answer)
    if answer:
        for at in range(0, len(content), 1000):
            objects.send(content[at:at + 1000])
        objects.send(b'')


def call():
    port, name, answer = sys.argv[3:6]
    objects = Objects(socket.create_connection(('127.0.0.1', int(port))))
    objects.send(name)
    size = objects.receive()
    show(size)
    if isinstance(size, int):
        objects.send(answer == 'yes')
        content = b''
        while answer == 'yes':
            piece = objects.receive()
            if not piece:
                break
            content += piece
        show(content.hex())


serve() if role == 'serve' else call()
