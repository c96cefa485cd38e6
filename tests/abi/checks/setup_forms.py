"""What each form of setup leaves in struct io_uring and in the params, field by field.

The facts were printed by setup-forms.c on liburing 2.15 (Debian's binary) and Linux
6.18, without and with huge pages: `python3 setup_forms.py PROGRAM` with
LD_LIBRARY_PATH at another library prints such facts."""

import json
import pathlib
import sys

if __name__ != "__main__":
    from common import HERE, Context, compile_program, environment, facts, link_flags, output_of

# The feature bits of the kernel that the facts are from.
FEATURES = "262143"


def forms(text: str) -> dict:
    """Form -> field -> value."""
    found = {}
    for line in text.splitlines():
        name, _, fields = line.partition(": ")
        found[name] = dict(field.split("=", 1) for field in fields.split())
    return found


def condense(found: dict) -> dict:
    """Only what differs from the fields that most forms have; forms alike share a row."""
    base = dict(found["params plain 16"])
    rows = {}
    for name, fields in found.items():
        changes = {key: value for key, value in fields.items() if base.get(key) != value}
        if len(fields) == len(base):
            rows.setdefault(json.dumps(changes), []).append(name)
        else:
            rows.setdefault(json.dumps({"only": fields}), []).append(name)
    return {"base": base, "rows": [{"fields": json.loads(key), "forms": names} for key, names in rows.items()]}


def expand(table: dict) -> dict:
    found = {}
    for row in table["rows"]:
        fields = row["fields"]
        full = fields["only"] if "only" in fields else {**table["base"], **fields}
        found.update((name, full) for name in row["forms"])
    return found


def free_huge_pages() -> int:
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("HugePages_Free:"):
            return int(line.split()[1])
    return 0


def run(context: "Context") -> None:
    program, problem = compile_program(context, context.c[0], "setup-forms", (HERE / "setup-forms.c").read_text(),
                                       ["-O1", "-D_GNU_SOURCE", "-Wall", context.flag()], link_flags(context))
    context.check("setup-forms.c", problem)
    if problem:
        return
    found = forms(output_of(program, env=environment(ANYRING_ENGINE="kernel")))
    features = found.get("params plain 16", {}).get("features")
    if features != FEATURES:
        context.skip("fields after setup", f"the kernel has the features {features}, the facts are from {FEATURES}"
                     if features else "there is no io_uring here")
        return
    table = facts("setup-forms")
    wanted = expand(table)
    # Forms that take huge pages, with what they get where there are none.
    without = free_huge_pages() < 2
    for name, fields in expand({"base": table["base"], "rows": table["without_huge_pages"]}).items():
        if without:
            wanted[name] = fields
    context.check("forms of setup", "" if set(found) == set(wanted) else str(set(found) ^ set(wanted)))
    for name in sorted(set(found) & set(wanted)):
        differs = [f"{key} is {found[name].get(key)}, not {wanted[name].get(key)}"
                   for key in sorted({*found[name], *wanted[name]}) if found[name].get(key) != wanted[name].get(key)]
        context.check(f"after {name}", ", ".join(differs))


if __name__ == "__main__":
    import subprocess

    print(json.dumps(condense(forms(subprocess.run([sys.argv[1]], text=True, check=True, stdout=subprocess.PIPE).stdout))))
