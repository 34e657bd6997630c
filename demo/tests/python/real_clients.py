"""Drives a running `claviger demo` with the Python packages of two products, unmodified.

Standard input is the line that `claviger demo --json` prints. Each check prints one line; the exit code is 0
if all of them hold.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings

import httpx
from cocalc_api import Hub, Project

demo = json.load(sys.stdin)
gateway, keys = demo["gateway"], demo["keys"]

# The package reads and writes its credentials in the home folder, and reads its environment when imported.
home = tempfile.TemporaryDirectory()
os.environ["HOME"] = home.name
for name in [name for name in os.environ if name.startswith("ONE_CODEX_")]:
    del os.environ[name]
os.environ["ONE_CODEX_API_BASE"] = gateway
# The demo is on this machine, whatever leads to the rest of the world.
os.environ["NO_PROXY"] = "127.0.0.1"
warnings.simplefilter("ignore")

from onecodex import Api  # noqa: E402

failures = 0


def check(what, holds, found=None):
    global failures
    failures += not holds
    print(f"{'ok  ' if holds else 'FAIL'} {what}" + ("" if holds else f": {found!r}"))


def status_of(call):
    """The status with which a call of cocalc-api is refused, or its result."""
    try:
        return call()
    except httpx.HTTPStatusError as refused:
        return refused.response.status_code


def error_of(call):
    """The error that the application tells of a call."""
    try:
        return call()
    except RuntimeError as error:
        return str(error)


def altered(key):
    """The same key with another last character: its checksum is wrong."""
    return key[:-1] + ("0" if key[-1] != "0" else "1")


def cocalc():
    owner, atlas = demo["accounts"]["owner"]["id"], demo["projects"]["atlas"]["id"]
    hub = Hub(api_key=keys["owner_account"], host=gateway)
    now = hub.system.ping()["now"]
    check("Hub: system.ping tells the time", abs(now / 1000 - time.time()) < 60, now)
    found = hub.system.test()
    check("Hub: system.test names the account of the key", found["account_id"] == owner, found)
    project = Project(api_key=keys["atlas_project"], host=gateway)
    check("Project: system.ping", "now" in project.system.ping())
    found = project.system.test()
    check("Project: system.test names the project of the key", found["project_id"] == atlas, found)
    named = Project(api_key=keys["atlas_project"], host=gateway, project_id=atlas)
    check("Project: its id may be named", named.system.test()["project_id"] == atlas)
    borealis = demo["projects"]["borealis"]["id"]
    other = Project(api_key=keys["atlas_project"], host=gateway, project_id=borealis)
    found = error_of(other.system.test)
    check("Project: another's id is refused", "another project" in str(found), found)

    refused = {
        "a disabled key": (Hub, keys["disabled"], 401),
        "an expired key": (Hub, keys["expired"], 401),
        "a mistyped key": (Hub, altered(keys["owner_account"]), 401),
        "an account's key without the scope": (Hub, keys["member_account"], 403),
        "a project's key at the hub": (Hub, keys["atlas_project"], 403),
        "an account's key at a project": (Project, keys["owner_account"], 403),
        "a notebook's key": (Hub, keys["open_notebook"], 403),
    }
    for what, (client, key, expected) in refused.items():
        found = status_of(client(api_key=key, host=gateway).system.test)
        check(f"{client.__name__}: {what} is refused with {expected}", found == expected, found)


def onecodex_package():
    key, sample = keys["thirty_two"], demo["resources"]["private_sample"]
    check("the key without a prefix has 32 characters", len(key) == 32, len(key))
    api = Api(api_key=key, load_extensions=False)
    account = api._client.get(f"{api._base_url}/api/v1/account")
    check("Api: the credential check answers 200", account.status_code == 200, account.status_code)
    expected = (demo["accounts"]["owner"]["id"], demo["accounts"]["owner"]["email"])
    found = (account.json()["account"], account.json()["email"])
    check("Api: it names the account of the key", found == expected, found)
    found = api.Samples.get(sample)
    check("Api: a private sample of the key's account is read", found is not None and found.id == sample, found)
    check("Api: its metadata comes with it", found.metadata.location_string == "harbour", found.metadata)
    check("Api: it is listed", sample in [row.id for row in api.Samples.all()])
    hidden = demo["resources"]["other_project_sample"]
    check("Api: another's private sample does not exist", api.Samples.get(hidden) is None)

    anonymous = Api(load_extensions=False)
    public = {demo["resources"][name] for name in ("public_sample", "other_public_sample")}
    listed = {row.id for row in anonymous.Samples.where(public=True)}
    check("Api: without a key the public samples are listed", listed == public, listed)
    check("Api: without a key a private sample does not exist", anonymous.Samples.get(sample) is None)
    found = anonymous._client.get(f"{gateway}/api/v1/account")
    check("Api: without a key the credential check answers 401", found.status_code == 401, found.status_code)
    found = {name: found.json().get(name) for name in ("status", "message")}
    check("Api: in the form that the package reads", found["status"] == 401 and found["message"], found)
    for what, bad in {"disabled": keys["disabled"], "unknown": "0" * 31 + "1"}.items():
        bad = Api(api_key=bad, load_extensions=False)._client.get(f"{gateway}/api/v1/account")
        check(f"Api: a key that is {what} is refused with 401", bad.status_code == 401, bad.status_code)


def onecodex_program():
    """`onecodex login` and `onecodex samples`, as a person types them."""
    program = os.path.join(os.path.dirname(sys.executable), "onecodex")
    email, sample = demo["accounts"]["owner"]["email"], demo["resources"]["private_sample"]

    def run(*arguments, key=keys["thirty_two"], typed="", home):
        command = [program, "--no-telemetry", "--api-key", key, *arguments]
        environment = {**os.environ, "HOME": home}
        return subprocess.run(
            command, input=typed, env=environment, capture_output=True, text=True, timeout=120
        )

    def told(done):
        return (done.returncode, done.stdout[-500:], done.stderr[-500:])

    credentials = os.path.join(home.name, ".onecodex")
    done = run("login", typed=email + "\n", home=home.name)
    kept = done.returncode == 0 and json.load(open(credentials))["api_key"] == keys["thirty_two"]
    check("onecodex login: the key is verified and kept", kept, told(done))
    done = run("samples", sample, home=home.name)
    check("onecodex samples: the private sample is shown", sample in done.stdout, told(done))
    done = run("samples", key="0" * 31 + "1", home=home.name)
    check("onecodex samples: an unknown key fails to authenticate", "Failed to authenticate" in done.stdout, told(done))
    done = run("samples", key=keys["owner_account"], home=home.name)
    check("onecodex: a key of another length is refused by the program itself", done.returncode == 2, told(done))
    with tempfile.TemporaryDirectory() as other:
        done = run("login", typed="somebody@else.example\n", home=other)
        check("onecodex login: another's address does not match", done.returncode == 1, told(done))


cocalc()
onecodex_package()
onecodex_program()
print("all checks hold" if failures == 0 else f"{failures} checks failed")
sys.exit(failures != 0)
