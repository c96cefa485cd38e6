"""Installs what the tests of the Python module use; asks the network only for what is missing.

    python packages.py REQUIREMENT... [--optional REQUIREMENT...]

Ends with 77 and a line `skip ...` where a required package cannot be had.
"""

import importlib.metadata
import subprocess
import sys


def there(requirement):
    """Whether it is installed; versions are pip's to judge, these ranges are wide."""
    name = requirement
    for sign in "<>=!~":
        name = name.split(sign)[0]
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def install(requirements):
    missing = [each for each in requirements if not there(each)]
    if not missing:
        return ""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--retries", "2", *missing],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    return f"pip cannot install {' '.join(missing)}: {done.stdout.strip()[-300:]}" if done.returncode else ""


def main():
    words = sys.argv[1:]
    at = words.index("--optional") if "--optional" in words else len(words)
    # One that cannot be had must not keep the others away.
    for each in words[at + 1:]:
        problem = install([each])
        if problem:
            print(f"skip what needs {each}: {' '.join(problem.split())}")
    problem = install(words[:at])
    if problem:
        print(f"skip: {' '.join(problem.split())}")
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
