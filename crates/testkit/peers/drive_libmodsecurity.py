"""libmodsecurity behind lines of JSON on its standard input and output, one answer for each.

{"load": [{"text": …} | {"file": …}]}            rules in their order
{"play": {request and response}, "rounds": n}    judged so many times: processor time of each, verdict, rules that matched
{"injections": [base64, …]}                      libinjection's own answers: fingerprint or null, cross-site scripting or not
"""
import base64
import ctypes
import glob
import json
import os
import sys
import time

import libmodsecurity


def bare(value):
    return base64.b64decode(value)


def headers(pairs):
    return [(bare(name), bare(value)) for name, value in pairs]


class Peer:
    def __init__(self):
        self.engine = libmodsecurity.ModSecurity()
        self.engine.set_log_callback(lambda line: None)
        self.rules = None
        self.library = None

    def load(self, parts):
        rules = libmodsecurity.RulesSet()
        for part in parts:
            loaded = rules.load(part["text"]) if "text" in part else rules.load_from_uri(part["file"])
            if loaded < 0:
                return {"error": rules.get_parser_error()}
        self.rules = rules
        return {"version": self.engine.who_am_i()}

    def once(self, play):
        """Status that is answered, rules that matched, and the last phase that ran."""
        transaction = libmodsecurity.Transaction(self.engine, self.rules, "0c1d2e3f405162738495")
        status, phase = 0, 0

        def blocked(number):
            nonlocal status, phase
            phase = number
            said = transaction.intervention()
            if said is not None and said.disruptive:
                status = said.status
            return status != 0

        def run():
            transaction.process_connection("192.0.2.10", 40000, "192.0.2.80", 80)
            transaction.process_uri(play["target"], play["method"], play["version"])
            for name, value in play["headers"]:
                transaction.add_request_header(name, value)
            transaction.process_request_headers()
            if blocked(1):
                return
            if play["body"]:
                transaction.append_request_body(play["body"])
            transaction.process_request_body()
            if blocked(2):
                return
            for name, value in play["response_headers"]:
                transaction.add_response_header(name, value)
            transaction.process_response_headers(play["status"], "HTTP/1.1")
            if blocked(3):
                return
            if play["response_body"]:
                transaction.append_response_body(play["response_body"])
            transaction.process_response_body()
            blocked(4)

        run()
        transaction.process_logging()
        return status, phase, transaction

    def play(self, asked, rounds):
        play = {
            "target": bare(asked["target"]),
            "method": bare(asked["method"]),
            "version": bare(asked["version"]),
            "headers": headers(asked["headers"]),
            "body": bare(asked["body"]),
            "status": asked["status"],
            "response_headers": headers(asked["response_headers"]),
            "response_body": bare(asked["response_body"]),
        }
        before = time.process_time_ns()
        for _ in range(rounds):
            status, phase, transaction = self.once(play)
        spent = time.process_time_ns() - before
        try:
            rules = sorted({message.rule_id for message in transaction.get_rule_messages()})
        except UnicodeDecodeError:
            rules = []
        return {"micros": spent / 1000 / rounds, "status": status, "phase": phase, "rules": rules}

    def injections(self, values):
        if self.library is None:
            folder = os.path.join(os.path.dirname(libmodsecurity.__file__), "..", "libmodsecurity.libs")
            self.library = ctypes.CDLL(glob.glob(os.path.join(folder, "libmodsecurity-*.so*"))[0])
            self.library.libinjection_version.restype = ctypes.c_char_p
        found = []
        for value in values:
            value = bare(value)
            fingerprint = ctypes.create_string_buffer(16)
            sqli = self.library.libinjection_sqli(value, ctypes.c_size_t(len(value)), fingerprint)
            xss = self.library.libinjection_xss(value, ctypes.c_size_t(len(value)))
            found.append([fingerprint.value.decode("latin-1") if sqli == 1 else None, xss == 1])
        return {"found": found, "version": self.library.libinjection_version().decode()}


def main():
    peer = Peer()
    for line in sys.stdin:
        asked = json.loads(line)
        if "load" in asked:
            answer = peer.load(asked["load"])
        elif "play" in asked:
            answer = peer.play(asked["play"], asked["rounds"])
        else:
            answer = peer.injections(asked["injections"])
        print(json.dumps(answer), flush=True)


main()
