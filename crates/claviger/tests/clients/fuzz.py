"""Runs schemathesis against a running `claviger serve`.

Standard input is {"api": "http://…", "operator_key": "…"}. The fuzzer is told of a record of each kind, so that
it finds more than what does not exist. The exit code is the fuzzer's.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request

# The server is on this machine, whatever leads to the rest of the world.
os.environ["NO_PROXY"] = "127.0.0.1"

given = json.load(sys.stdin)
api, key = given["api"], given["operator_key"]

# What is looked at in every answer. Left out is what takes our refusals for mistakes: of well-formed nonsense (an
# unknown account, a name of spaces), since a schema cannot say what is sensible; and of unreadable credentials,
# which are 400 here and not 401.
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]


def send(method, path, body):
    request = urllib.request.Request(
        api + path,
        method=method,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "X-API-Key": key},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def records():
    """Makes a record of each kind; says which identifier stands for which path."""
    account = send("POST", "/v1/accounts", {"name": "Ada", "email": "ada@fuzz.example"})["id"]
    team = send("POST", "/v1/teams", {"name": "Lab", "owner": account})["id"]
    project = send("POST", "/v1/projects", {"name": "Atlas", "owner": f"team:{team}"})["id"]
    described = {"owner": f"account:{account}", "visibility": "private", "latest_version": 3, "versions": []}
    resource = send("PUT", "/v1/resources/notebook:5e1f", described)["reference"]
    made = send("POST", "/v1/keys", {"name": "Fuzzed", "subject": f"account:{account}"})["key"]["id"]
    return {
        "/v1/accounts/{id}": {"id": account},
        "/v1/teams/{id}": {"id": team},
        "/v1/teams/{id}/members": {"id": team},
        "/v1/teams/{id}/members/{account}": {"id": team, "account": account},
        "/v1/projects/{id}": {"id": project},
        "/v1/projects/{id}/members": {"id": project},
        "/v1/projects/{id}/members/{account}": {"id": project, "account": account},
        "/v1/resources/{reference}": {"reference": resource},
        "/v1/keys/{id}": {"id": made},
    }


def configuration(key, records):
    """The key, and which identifiers to use, in the form that schemathesis reads."""
    lines = [f'[auth.openapi.x_api_key]\napi_key = "{key}"\n']
    for path, parameters in records.items():
        pairs = ", ".join(f'"path.{name}" = "{value}"' for name, value in parameters.items())
        lines.append(f'[[operations]]\ninclude-path = "{path}"\nparameters = {{ {pairs} }}\n')
    return "\n".join(lines)


def fuzz(key, records, which):
    """Runs the fuzzer on some operations with this key; its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "schemathesis.toml"), "w") as file:
            file.write(configuration(key, records))
        command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", api + "/openapi.json"]
        # Not stateful: that would find the key it runs with in the listing, and delete it.
        command += ["--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS), *which]
        command += ["--max-examples", "20", "--seed", "1", "--no-color"]
        command += ["--generation-database", "none", "--warnings", "off"]
        return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL).returncode


# The operation that deletes the key it is sent with comes last, with a key of its own.
LAST = "/v1/whoami/key"
throwaway = {"name": "To be deleted", "subject": "operator", "scopes": ["history:read"]}
throwaway = send("POST", "/v1/keys", throwaway)["secret"]
ends = [fuzz(key, records(), ["--exclude-path", LAST]), fuzz(throwaway, {}, ["--include-path", LAST])]
sys.exit(max(ends))
