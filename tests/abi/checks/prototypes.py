"""Every function has the prototype of the tables, in C and in C++."""

from common import Context, compile_source, functions, include


def declarator(function: dict) -> str:
    parameters = ", ".join(p["type"] for p in function["params"]) or "void"
    return f"{function['return_type']} (*)({parameters})"


def run(context: Context) -> None:
    table = functions()
    c = ["#define _GNU_SOURCE", "#include <liburing.h>"]
    cc = ["#include <liburing.h>", "#include <type_traits>", "template <typename T> struct plain;",
          "template <typename R, typename... A> struct plain<R (*)(A...) noexcept> { typedef R (*type)(A...); };"]
    for function in table:
        name, kind = function["name"], declarator(function)
        c.append(
            f"_Static_assert(__builtin_types_compatible_p(__typeof__(&{name}), {kind}), "
            f'"{name}: prototype");'
        )
        cc.append(
            f"static_assert(std::is_same<plain<decltype(&{name})>::type, {kind}>::value, "
            f'"{name}: prototype, and noexcept");'
        )
    for compiler, name, source, flags in (
        ("cc", "prototypes_c", c, ["-std=gnu11"]),
        ("c++", "prototypes_cc", cc, ["-std=gnu++17"]),
    ):
        _, output = compile_source(
            context, compiler, name, "\n".join(source) + "\n", [*flags, include(context)]
        )
        context.check(f"{len(table)} prototypes with {compiler}", output[:3000])
