"""Value, type and usability of every constant, in C and in C++."""

from common import Context, compile_source, facts, include


def literal(constant: dict) -> str:
    suffix = {"int": "", "unsigned int": "U", "unsigned long long": "ULL"}[constant["c_type"]]
    if constant["signed"]:
        return f"({constant['value']})"
    return f"{int(constant['hex'], 16)}{suffix}"


def run(context: Context) -> None:
    constants = facts("constants")["constants"]
    c = ["#define _GNU_SOURCE", "#include <liburing.h>"]
    cc = ["#include <liburing.h>", "#include <type_traits>"]
    for constant in constants:
        name, value = constant["name"], literal(constant)
        c.append(f'_Static_assert({name} == {value}, "{name}: value");')
        cc.append(f'static_assert({name} == {value}, "{name}: value");')
        if constant["kind"] != "enum":
            kind = constant["c_type"]
            c.append(
                f"_Static_assert(__builtin_types_compatible_p(__typeof__({name}), {kind}), "
                f'"{name}: type");'
            )
            cc.append(
                f'static_assert(std::is_same<decltype({name}), {kind}>::value, "{name}: type");'
            )
        if constant.get("usable_in_if"):
            c.append(f"#if ({name}) != {value}\n#error {name} in a condition\n#endif")
    for enum in facts("layouts")["enums"]:
        if enum["tag"]:
            for member in enum["members"]:
                cc.append(
                    f"static_assert(std::is_same<decltype({member}), enum {enum['tag']}>::value, "
                    f'"{member}: enum");'
                )
            c.append(f"_Static_assert(sizeof(enum {enum['tag']}) == {enum['size']}, \"size\");")
    for compiler, name, source, flags in (
        ("cc", "constants_c", c, ["-std=c11"]),
        ("c++", "constants_cc", cc, ["-std=c++17"]),
    ):
        _, output = compile_source(
            context, compiler, name, "\n".join(source) + "\n", [*flags, include(context)]
        )
        context.check(f"{len(constants)} constants with {compiler}", output[:2000])
    macros = [m["name"] for m in facts("macros")["macros"]]
    source = "#include <liburing.h>\n" + "".join(
        f"#ifndef {name}\n#error {name} is missing\n#endif\n"
        for name in macros
        if name not in ("IOURINGINLINE", "_LOCAL_INLINE")
    ) + "#if defined(IOURINGINLINE) || defined(_LOCAL_INLINE)\n#error linkage macros leak\n#endif\n"
    _, output = compile_source(context, "cc", "macros", source, [include(context)])
    context.check(f"{len(macros)} macros", output[:2000])
